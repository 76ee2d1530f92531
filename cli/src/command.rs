//! The first words: which command, and which groups of arguments.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Run,
    Check,
    Explain,
    Help,
    Completions,
    Man,
    /// Prints `docs/options.md`; for those who change the tables.
    Reference,
}

/// Commands with their arguments and what they do, for help, completions and the manual page.
pub const COMMANDS: [(Command, &str, &str, &str); 5] = [
    (
        Command::Check,
        "check",
        "ARGUMENTS",
        "validate as a start would, ports and certificates included",
    ),
    (
        Command::Explain,
        "explain",
        "[--json] ARGUMENTS",
        "every effective value, where it comes from, and what is unsafe",
    ),
    (
        Command::Help,
        "help",
        "[URL|OPTION]",
        "the grammar of -L and -F, or one option",
    ),
    (
        Command::Completions,
        "completions",
        "bash|zsh|fish",
        "a completion script for the shell",
    ),
    (Command::Man, "man", "", "the manual page"),
];

impl Command {
    /// Takes the command off the arguments. Everything that is no command is for a start.
    pub fn split(mut args: Vec<String>) -> (Self, Vec<String>) {
        let Some(first) = args.first().map(String::as_str) else {
            return (Self::Run, args);
        };
        let command = match first {
            "reference" => Self::Reference,
            word => match COMMANDS.iter().find(|(_, name, ..)| *name == word) {
                Some((command, ..)) => *command,
                None => return (Self::Run, args),
            },
        };
        args.remove(0);
        (command, args)
    }
}

/// The arguments between lone `--`, without empty groups; one empty group if there are no others.
pub fn groups(args: &[String]) -> Vec<Vec<String>> {
    let mut groups: Vec<_> = args
        .split(|arg| arg == "--")
        .filter(|group| !group.is_empty())
        .map(<[String]>::to_vec)
        .collect();
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_the_first_word_is_a_command() {
        let (command, args) = Command::split(words("check -L :1"));
        assert_eq!((command, args), (Command::Check, words("-L :1")));
        let (command, args) = Command::split(words("-L check"));
        assert_eq!((command, args), (Command::Run, words("-L check")));
    }

    #[test]
    fn groups_are_split_at_the_word_not_at_the_text() {
        assert_eq!(
            groups(&words("-L :1 -- -L :2")),
            [words("-L :1"), words("-L :2")]
        );
        assert_eq!(groups(&words("-- -L :1 --")), [words("-L :1")]);
        let odd = vec!["-L".to_owned(), "a -- b".to_owned()];
        assert_eq!(groups(&odd), [odd]);
        assert_eq!(groups(&[]), [Vec::<String>::new()]);
    }
}
