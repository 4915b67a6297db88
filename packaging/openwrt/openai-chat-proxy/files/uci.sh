# shellcheck shell=sh
# shellcheck disable=SC3043 # busybox ash has local
# Turns /etc/config/openai-chat-proxy into a proxy.ini. Wants config_load of /lib/functions.sh.
#
#   config server            becomes  [server], and access and log likewise
#   config upstream 'main'            [upstream], without a name too; any other: [upstream NAME]
#   config key 'alice'                [key alice]
#   option name 'value'               name = value
#   list name 'a', list name 'b'      name = a, b
#
# In an upstream, the lists field_aliases, defaults and upstream_headers hold 'name=value', and
# become the lines of a section of that name. Options that are for the init script (enabled,
# config_file in server) are left out. What the program does not know it will not take: `-t` says
# so.

uci_newline='
'

# Prints the proxy.ini. Fails, and says why on standard error, if a value cannot stand in one.
uci_to_ini() {
    uci_wrong=0 uci_head='' uci_body='' uci_item='' uci_more='' uci_logs=0
    config_cb() { uci_section "$@"; }
    option_cb() { uci_option "$@"; }
    list_cb() { uci_list "$@"; }
    config_load openai-chat-proxy
    uci_flush
    reset_cb
    # Standard error of a service ends nowhere.
    [ "$uci_logs" = 1 ] || printf '[log]\nfile = syslog\n'
    return "$uci_wrong"
}

uci_section() {
    uci_flush
    uci_type=$1
    case $1:$2 in
    upstream:main | upstream:cfg* | server:* | access:* | log:*) uci_head="[$1]" uci_name='' ;;
    :*) uci_head='' ;; # the end of the file
    *) uci_head="[$1 $2]" uci_name=" $2" ;;
    esac
}

uci_option() {
    uci_end_list
    case $uci_type:$1 in
    server:enabled | server:config_file) return 0 ;;
    log:file) uci_logs=1 ;;
    esac
    uci_check "$1" "$2" && uci_body="$uci_body$1 = $2$uci_newline"
}

uci_list() {
    case $uci_type:$1 in
    upstream:field_aliases | upstream:defaults | upstream:upstream_headers)
        uci_pair "$1" "$2"
        return 0
        ;;
    esac
    uci_check "$1" "$2" || return 0
    if [ "$1" = "$uci_item" ]; then
        uci_values="$uci_values, $2"
    else
        uci_end_list
        uci_item=$1 uci_values=$2
    fi
}

# A line of a section that follows the upstream's.
uci_pair() {
    local line="${2%%=*} = ${2#*=}"

    uci_check "$1" "$2" || return 0
    case $2 in
    *=*) ;;
    *) uci_complain "list $1 '$2' is not name=value" && return 0 ;;
    esac
    case $uci_more in
    *"[$1$uci_name]$uci_newline"*) uci_more="$uci_more$line$uci_newline" ;;
    *) uci_more="${uci_more}[$1$uci_name]$uci_newline$line$uci_newline" ;;
    esac
}

uci_end_list() {
    [ -z "$uci_item" ] || uci_body="$uci_body$uci_item = $uci_values$uci_newline"
    uci_item=''
}

uci_flush() {
    uci_end_list
    # With file = syslog where nothing else is said: a section stands in a proxy.ini once.
    if [ "$uci_head" = '[log]' ] && [ "$uci_logs" = 0 ]; then
        uci_body="file = syslog$uci_newline$uci_body"
        uci_logs=1
    fi
    [ -z "$uci_head" ] || printf '%s\n%s%s' "$uci_head" "$uci_body" "$uci_more"
    uci_head='' uci_body='' uci_more=''
}

uci_complain() {
    echo "/etc/config/openai-chat-proxy: ${uci_head:-no section}: $1" >&2
    uci_wrong=1
}

# A proxy.ini has lines, and comments behind a blank and a semicolon.
uci_check() {
    case $2 in
    *"$uci_newline"*) uci_complain "$1 has more than one line" ;;
    *' ;'* | *'	;'*) uci_complain "$1 has a blank before a semicolon, where a comment begins" ;;
    *) return 0 ;;
    esac
    return 1
}
