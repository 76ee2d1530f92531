//! Completion scripts: flags, commands, and the words that may follow them.

use std::fmt::Write;

use crate::command::COMMANDS;
use crate::config::keys::KEYS;
use crate::config::options::OPTIONS;
use crate::flags::FLAGS;

/// What `-L` and `-F` begin with most often.
const SCHEMES: [&str; 10] = [
    "http",
    "socks5",
    "relay+wss",
    "relay+mwss",
    "ws",
    "wss",
    "mws",
    "mwss",
    "forward+wss",
    "tcp",
];

/// The script for `bash`, `zsh` or `fish`.
pub fn completions(args: &[String]) -> Result<String, String> {
    match args {
        [shell] if shell == "bash" => Ok(bash()),
        [shell] if shell == "zsh" => Ok(zsh()),
        [shell] if shell == "fish" => Ok(fish()),
        _ => Err("completions takes one word: bash, zsh or fish".to_owned()),
    }
}

fn bash() -> String {
    format!(
        "\
# bash completion for ginnel: source this file, or put it where bash-completion looks.
_ginnel() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    case ${{before#-}} in
        -C|C) COMPREPLY=($(compgen -f -- \"$word\")); return ;;
        -O|O) COMPREPLY=($(compgen -W 'yaml json' -- \"$word\")); return ;;
        -runtime|runtime) COMPREPLY=($(compgen -W 'smol mio' -- \"$word\")); return ;;
        -L|L|-F|F) COMPREPLY=($(compgen -W '{schemes}' -- \"$word\")); compopt -o nospace; return ;;
        help) COMPREPLY=($(compgen -W 'URL {names}' -- \"$word\")); return ;;
        completions) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")); return ;;
    esac
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W '{commands} {flags}' -- \"$word\"))
    else
        COMPREPLY=($(compgen -W '{flags}' -- \"$word\"))
    fi
}}
complete -F _ginnel ginnel
",
        schemes = SCHEMES.map(|scheme| format!("{scheme}://")).join(" "),
        names = names().join(" "),
        commands = COMMANDS.map(|(_, name, ..)| name).join(" "),
        flags = dashed().join(" "),
    )
}

fn zsh() -> String {
    let mut text = "\
#compdef ginnel
# zsh completion for ginnel: put it as _ginnel into a folder of $fpath.
_ginnel() {
    local -a commands schemes names
    commands=(
"
    .to_owned();
    for (_, name, _, help) in COMMANDS {
        let _ = writeln!(text, "        '{name}:{}'", plain(help));
    }
    let _ = writeln!(text, "    )\n    schemes=({})", SCHEMES.join(" "));
    let _ = writeln!(text, "    names=(URL {})", names().join(" "));
    text.push_str(
        "\
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe command commands
        return
    fi
    case $words[2] in
        help) compadd -a names; return ;;
        completions) compadd bash zsh fish; return ;;
        man) return ;;
        check|explain) shift words; (( CURRENT-- )) ;;
    esac
    _arguments -S \\
",
    );
    for flag in &FLAGS {
        let action = match flag.name {
            "L" | "F" => ":url:compadd -S \"://\" -a schemes",
            "C" => ":source:_files",
            "O" => ":format:(yaml json)",
            "runtime" => ":runtime:(smol mio)",
            _ if flag.argument.is_empty() => "",
            _ => ":value:",
        };
        let many = if matches!(flag.name, "L" | "F" | "C") {
            "*"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "        '{many}-{}[{}]{action}' \\",
            flag.name,
            plain(flag.help)
        );
    }
    text.push_str("        && return\n}\n_ginnel \"$@\"\n");
    text
}

fn fish() -> String {
    let mut text = "# fish completion for ginnel: put it into ~/.config/fish/completions.\n\
                    complete -c ginnel -f\n"
        .to_owned();
    for (_, name, _, help) in COMMANDS {
        let _ = writeln!(
            text,
            "complete -c ginnel -n __fish_use_subcommand -a {name} -d '{}'",
            plain(help)
        );
    }
    for flag in &FLAGS {
        let values = match flag.name {
            "L" | "F" => format!(
                " -x -a '{}'",
                SCHEMES.map(|one| format!("{one}://")).join(" ")
            ),
            "C" => " -r -F".to_owned(),
            "O" => " -x -a 'yaml json'".to_owned(),
            "runtime" => " -x -a 'smol mio'".to_owned(),
            _ if flag.argument.is_empty() => String::new(),
            _ => " -x".to_owned(),
        };
        let _ = writeln!(
            text,
            "complete -c ginnel -o {}{values} -d '{}'",
            flag.name,
            plain(flag.help)
        );
    }
    let from = "__fish_seen_subcommand_from";
    let _ = writeln!(
        text,
        "complete -c ginnel -n '{from} help' -a 'URL {}'",
        names().join(" ")
    );
    let _ = writeln!(
        text,
        "complete -c ginnel -n '{from} completions' -a 'bash zsh fish'"
    );
    text
}

fn dashed() -> Vec<String> {
    FLAGS.iter().map(|flag| format!("-{}", flag.name)).collect()
}

/// The names that `help` knows, as they are mostly written.
fn names() -> Vec<&'static str> {
    let options = OPTIONS.iter().map(|one| one.name());
    let keys = KEYS.iter().filter_map(|one| one.names.first().copied());
    let mut names: Vec<_> = options
        .chain(keys)
        .filter(|name| !name.contains('*'))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Without what the shells' quotes and descriptions give a meaning.
fn plain(help: &str) -> String {
    help.replace(['\'', '[', ']', '{', '}', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_every_flag_and_command() {
        for shell in ["bash", "zsh", "fish"] {
            let text = completions(&[shell.to_owned()]).unwrap();
            for flag in &FLAGS {
                let written = if shell == "fish" {
                    format!("-o {} ", flag.name)
                } else {
                    format!("-{}", flag.name)
                };
                assert!(text.contains(&written), "{shell} {}", flag.name);
            }
            for (_, name, ..) in COMMANDS {
                assert!(text.contains(name), "{shell} {name}");
            }
        }
        assert!(completions(&["tcsh".to_owned()]).is_err());
    }
}
