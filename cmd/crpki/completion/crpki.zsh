#compdef crpki
# zsh completion for crpki

_crpki() {
    local offer line
    local -a lines described
    lines=("${(@f)$("${words[1]/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT-1]}" "=${(Q)PREFIX}" 2>/dev/null)}")
    offer=$lines[1]
    shift lines
    for line in $lines; do
        described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#described )) && _describe -V crpki described
    if [[ $offer == (:files|:dirs) ]]; then
        compset -P '--*='
        if [[ $offer == :dirs ]]; then
            _files -/
        else
            _files
        fi
    fi
}

if [[ $funcstack[1] == _crpki ]]; then
    _crpki "$@" # autoloaded from $fpath
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _crpki crpki
fi
