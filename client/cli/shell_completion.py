"""The ``completion`` command: scripts with which shells complete ``python -m client``, by calling click."""

import click

from cloudkon.programs import module
from cloudkon.terminal import print_lines

_BASH = """\
_cloudkon_client() {
    if [[ ${COMP_WORDS[1]} != -m || ${COMP_WORDS[2]} != @MODULE@ ]] || ((COMP_CWORD < 3)); then
        compopt -o default
        return
    fi
    local IFS=$'\\n' answer type value
    COMPREPLY=()
    for answer in $(env COMP_WORDS="client${IFS}${COMP_WORDS[*]:3}" COMP_CWORD=$((COMP_CWORD - 2)) \\
        _CLIENT_COMPLETE=bash_complete "${COMP_WORDS[0]}" -m @MODULE@); do
        IFS=',' read -r type value <<<"$answer"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done
}
complete -F _cloudkon_client python python3
"""
_ZSH = """\
_cloudkon_client() {
    if [[ $words[2] != -m || $words[3] != @MODULE@ ]] || ((CURRENT < 4)); then
        _default
        return
    fi
    local -a answers described plain
    local type value help
    answers=("${(@f)$(env COMP_WORDS="client ${words[4,-1]}" COMP_CWORD=$((CURRENT - 3)) \\
        _CLIENT_COMPLETE=zsh_complete $words[1] -m @MODULE@)}")
    for type value help in ${answers}; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain) [[ $help == _ ]] && plain+=("$value") || described+=("$value:$help") ;;
        esac
    done
    [[ -n $described ]] && _describe -V unsorted described -U
    [[ -n $plain ]] && compadd -U -V unsorted -a plain
}
compdef _cloudkon_client python python3
"""
_FISH = """\
function __cloudkon_is_client
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test "$words[2]" = -m; and test "$words[3]" = @MODULE@
end
function __cloudkon_client
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l python $words[1]
    set -e words[1..3]
    for answer in (env "COMP_WORDS=client $words" "COMP_CWORD=$current" _CLIENT_COMPLETE=fish_complete \\
            $python -m @MODULE@)
        set -l parts (string split -m 1 "," -- $answer)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain
                echo $parts[2]
        end
    end
end
complete -c python -n __cloudkon_is_client -f -a "(__cloudkon_client)"
complete -c python3 -n __cloudkon_is_client -f -a "(__cloudkon_client)"
"""
SCRIPTS = {
    shell: script.replace("@MODULE@", module("client"))
    for shell, script in {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}.items()
}


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(shell: str) -> None:
    """Print a script with which SHELL completes commands and options after python -m client.

    Other python commands are completed with file names.

    \b
    Examples:
      source <(python -m client completion bash)
      source <(python -m client completion zsh)
      python -m client completion fish | source
    """  # noqa: D301  (click's mark for text that keeps its lines)
    print_lines(SCRIPTS[shell].removesuffix("\n"))
