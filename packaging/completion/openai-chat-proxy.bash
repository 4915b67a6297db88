# bash completion of openai-chat-proxy: /usr/share/bash-completion/completions/openai-chat-proxy

_openai_chat_proxy() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

    COMPREPLY=()
    case $before in
    -c)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -X '!*.ini' -- "$word"; compgen -d -- "$word")
        ;;
    -n | -d) ;;
    *)
        mapfile -t COMPREPLY < <(
            compgen -W '-c -t -T -V -h -n -d --healthcheck --top --help --version' -- "$word")
        ;;
    esac
}
complete -F _openai_chat_proxy openai-chat-proxy
