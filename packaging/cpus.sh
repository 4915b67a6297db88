# shellcheck shell=sh
# Reads the table of packaging/cpus; sourced by the scripts of this folder.
# shellcheck disable=SC2034 # what cpu_row sets is for those who source this

cpus_table=${cpus_table:-packaging/cpus}

cpu_names() {
    sed -n 's/^\([a-z][^ ]*\) .*/\1/p' "$cpus_table"
}

# cpu_row NAME: sets the variables that the columns are named after; cflags and ldflags, on which
# all parts of a program have to agree; and lto, for all parts but musl. No unwind tables: nothing
# unwinds, and on two CPUs they are an eighth of the program. No RELRO: musl's start of a static
# program does not protect it, and where pages may have 64 KiB it takes that much.
cpu_row() {
    row=$(grep "^$1 " "$cpus_table") || {
        echo "$1 is no CPU of packaging/cpus; they are: $(cpu_names | tr '\n' ' ')" >&2
        return 1
    }
    cflags='-g -ffunction-sections -fdata-sections'
    cflags="$cflags -fno-asynchronous-unwind-tables -fno-unwind-tables"
    read -r cpu triplet debian limit qemu openwrt flags <<END
$row
END
    lto=
    for flag in $flags; do
        case $flag in
        -O*) optimise=$flag ;;
        -flto*) lto=$flag ;;
        *) cflags="$cflags $flag" ;;
        esac
    done
    case $flags in
    *-fPIE*) ldflags=-static-pie ;;
    *) cflags="$cflags -fno-pie" ldflags='-static -no-pie' ;;
    esac
    ldflags="$ldflags -Wl,--gc-sections -Wl,--build-id=none"
    ldflags="$ldflags -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-T,packaging/first.ld"
    qemu_cpu=${qemu#*:}
    qemu=qemu-${qemu%:*}-static
}
