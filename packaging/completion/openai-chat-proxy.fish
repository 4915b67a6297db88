# fish completion of openai-chat-proxy: /usr/share/fish/vendor_completions.d/openai-chat-proxy.fish

complete -c openai-chat-proxy -f
complete -c openai-chat-proxy -s c -r -k -a '(__fish_complete_suffix .ini)' \
    -d 'read this configuration'
complete -c openai-chat-proxy -s t -d 'check the configuration and bind nothing'
complete -c openai-chat-proxy -s T -d 'print what is in force, secrets masked'
complete -c openai-chat-proxy -s V -l version -d 'print versions'
complete -c openai-chat-proxy -s h -l help -d 'print the options'
complete -c openai-chat-proxy -l healthcheck -d 'ask the running instance, exit 0 or 1'
complete -c openai-chat-proxy -l top -d 'show what the running instance does'
complete -c openai-chat-proxy -s n -x -d 'with --top, so many pictures'
complete -c openai-chat-proxy -s d -x -d 'with --top, seconds between them'
