//! The README: its blocks, and the words of its commands.

pub(crate) const README: &str = include_str!("../../../README.md");

/// The README's blocks: language and text.
pub(crate) fn fences() -> Vec<(String, String)> {
    let mut lines = README.lines();
    let mut fences = Vec::new();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        fences.push((language.to_owned(), block.join("\n") + "\n"));
    }
    fences
}

pub(crate) fn blocks(language: &str) -> Vec<String> {
    let fences = fences().into_iter();
    fences
        .filter_map(|(of, text)| (of == language).then_some(text))
        .collect()
}

/// Words of a shell, of which the README needs double quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, piece) in line.split('"').enumerate() {
        let quoted = index % 2 == 1;
        assert!(
            quoted || !piece.contains(['&', '?', '*', '\'', '\\', '$', ';', '#', '|']),
            "a shell would not take {line:?} as it is meant"
        );
        let last = words.len() - 1;
        if quoted {
            words[last] += piece;
            continue;
        }
        let mut parts = piece.split(' ');
        words[last] += parts.next().unwrap_or_default();
        words.extend(parts.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

pub(crate) fn strings(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
