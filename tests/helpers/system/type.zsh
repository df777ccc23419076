# Type lines into an interactive shell, each with a Tab behind it, and print what the shell shows.
#
#   zsh -f type.zsh bash|zsh LINE ...
#
# Behind what is shown of each stands a record separator.
zmodload zsh/zpty

case $1 in
    bash)
        start='bash --norc --noprofile -i'
        prepare="source /usr/share/bash-completion/bash_completion"
        prepare+="; bind 'set show-all-if-ambiguous on' 'set page-completions off'"
        prepare+=" 'set completion-query-items 0'"
        ;;
    zsh)
        start='zsh -f -i'
        prepare="LISTMAX=9999; unsetopt list_ambiguous prompt_sp"
        prepare+="; autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' verbose no"
        ;;
esac

# What is waited for has quotes in it where it is typed: the terminal may echo that.
zpty -e terminal $start
zpty -w terminal "stty cols 80; $prepare; PS1=rea''dy:"
for line in "${@:2}"; do
    zpty -r terminal shown '*ready:*'
    # Ctrl-U: what was typed and completed is not run.
    zpty -wn terminal "$line"$'\t\x15'"echo sho''wn"$'\n'
    zpty -r terminal shown $'*shown\r\n'
    print -rn -- "$shown"$'\x1e'
done
