# shellcheck shell=sh
# For the proofs of this folder: sourced, by busybox ash too.
failed=0

die() {
    echo "$0: $*" >&2
    exit 1
}

# check WHAT COMMAND...: the command must succeed, else its output is shown and the proof fails.
check() {
    what=$1
    shift
    if said=$("$@" 2>&1); then
        echo "ok      $what"
    else
        echo "FAILED  $what"
        echo "$said" | sed 's/^/        /'
        failed=$((failed + 1))
    fi
}

# refused WHAT COMMAND...: the command must fail.
refused() {
    what=$1
    shift
    check "$what" fails "$@"
}

fails() {
    if "$@"; then return 1; fi
}

# says WORDS COMMAND...: the command must succeed or not, and its output hold the words.
says() {
    words=$1
    shift
    all=$("$@" 2>&1) || :
    echo "$all"
    echo "$all" | grep -qF -- "$words"
}

# soon COMMAND...: up to five seconds.
soon() {
    left=50
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || { "$@"; return; }
        sleep 0.1
    done
}

# Ends the proof with what it found.
verdict() {
    [ $failed = 0 ] && echo "$1: all of it holds" && exit 0
    echo "$1: $failed FAILED"
    exit 1
}

# put_program FILE FOLDER: into FOLDER/usr/bin, with the libraries it needs.
put_program() {
    mkdir -p "$2/usr/bin"
    cp "$1" "$2/usr/bin/"
    for lib in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
        mkdir -p "$2$(dirname "$lib")"
        cp -L "$lib" "$2$lib"
    done
}

# in_copy SCRIPT ARGUMENT: the first time, runs the script again in namespaces of its own, over a
# copy-on-write view of this machine's root that is gone afterwards, and does not come back. The
# shell that waits is the first process there, and reaps orphans.
in_copy() {
    [ -z "${IN_COPY:-}" ] || return 0
    [ "$(id -u)" = 0 ] || die 'root is wanted'
    IN_COPY=$(mktemp -d)
    export IN_COPY
    status=0
    # shellcheck disable=SC2016
    unshare --mount --pid --net --fork sh -ec '
        mount --make-rprivate /
        mount -t tmpfs none "$IN_COPY"
        mkdir "$IN_COPY/new" "$IN_COPY/changes" "$IN_COPY/work"
        mount -t overlay none "$IN_COPY/new" \
            -o "lowerdir=/,upperdir=$IN_COPY/changes,workdir=$IN_COPY/work"
        cd "$IN_COPY/new"
        mount -t proc proc proc
        mount --rbind /dev dev
        mount --rbind /sys sys
        mount -t tmpfs none run
        chroot . sh "$@" || exit' \
        sh "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")" "$2" || status=$?
    rmdir "$IN_COPY"
    exit $status
}
