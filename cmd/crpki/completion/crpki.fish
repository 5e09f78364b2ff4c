# fish completion for crpki

function __crpki_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program __complete $words "=$current" 2>/dev/null)
    set -l offer $lines[1]
    set -e lines[1]
    printf '%s\n' $lines

    # --flag=FILE: fish wants the whole word back.
    set -l flag (string match -r -- '^--[^=]+=' "$current")
    set -l file (string replace -r -- '^--[^=]+=' '' "$current")
    switch "$offer"
        case :files
            for path in (__fish_complete_path "$file")
                echo "$flag$path"
            end
        case :dirs
            for path in (__fish_complete_directories "$file")
                echo "$flag$path"
            end
    end
end

complete -c crpki -f -a '(__crpki_complete)'
