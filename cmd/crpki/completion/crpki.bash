# bash completion for crpki

_crpki() {
    local line=${COMP_LINE:0:COMP_POINT} words=() raw='' rest i n=0

    # Bash cuts words at "=" and ":" too: put them together as they were typed.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        raw=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && raw=$rest # what stands before the cursor
        if ((n > 0)) && [[ $rest == "$line" ]]; then
            words[n - 1]+=$raw
        else
            words[n++]=$raw
        fi
        line=${rest#"$raw"}
    done
    local current=${words[n - 1]}
    # Bash replaces only what stands behind its last cut.
    [[ $raw == [=:] ]] && raw=''
    local typed=${current%"$raw"}

    local offer='' value
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        if [[ -z $offer ]]; then
            offer=$value
        else
            COMPREPLY+=("${value#"$typed"}")
        fi
    done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1:n-2}" "=$current" 2>/dev/null)

    local action=''
    case $offer in
    :files) action='file' ;;
    :dirs) action='directory' ;;
    *) [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null ;;
    esac
    if [[ -n $action ]]; then
        local file=${current#--*=}
        while IFS= read -r value; do
            COMPREPLY+=("${value#"${typed#--*=}"}")
        done < <(compgen -A "$action" -- "$file")
        compopt -o filenames 2>/dev/null
    fi
}

complete -F _crpki crpki
