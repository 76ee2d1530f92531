//! Medians and ratios, as a table in Markdown.

use std::fmt::Write;

use crate::figures::{ALL, Figure, Figures};

pub struct Table {
    title: String,
    names: Vec<String>,
    /// By program, then by round; `None` where it did not take part.
    rounds: Vec<Vec<Option<Figures>>>,
}

impl Table {
    pub fn new<'a>(title: &str, names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<String> = names.map(str::to_owned).collect();
        Self {
            title: title.to_owned(),
            rounds: vec![Vec::new(); names.len()],
            names,
        }
    }

    pub fn add(&mut self, column: usize, round: usize, figures: Figures) {
        let rounds = &mut self.rounds[column];
        rounds.resize(round, None);
        rounds.push(Some(figures));
    }

    /// One row a figure; in parentheses what the program called `base` needs of what this one needs, the median
    /// of the ratios round by round.
    pub fn markdown(&self, base: Option<usize>) -> String {
        let mut text = format!("\n| {} |", self.title);
        for name in &self.names {
            let _ = write!(text, " {name} |");
        }
        text += "\n|---|";
        text += &"---:|".repeat(self.names.len());
        text += "\n";
        for (figure, name) in ALL {
            let _ = write!(text, "| {name} |");
            for column in 0..self.names.len() {
                let _ = write!(text, " {} |", self.cell(column, base, figure));
            }
            text += "\n";
        }
        text
    }

    fn cell(&self, column: usize, base: Option<usize>, figure: Figure) -> String {
        let of = |column: usize| {
            let rounds = self.rounds[column].iter();
            rounds.map(|round| round.as_ref()?.get(&figure).copied())
        };
        let Some(middle) = median(of(column).flatten().collect()) else {
            return "-".to_owned();
        };
        let shown = match middle.abs() {
            0.0..10.0 => format!("{middle:.2}"),
            10.0..100.0 => format!("{middle:.1}"),
            _ => format!("{middle:.0}"),
        };
        let Some(base) = base.filter(|base| *base != column) else {
            return shown;
        };
        let ratios = of(base).zip(of(column)).filter_map(|pair| match pair {
            (Some(ours), Some(theirs)) if ours > 0.0 && theirs > 0.0 => Some(ours / theirs),
            _ => None,
        });
        match median(ratios.collect()) {
            Some(ratio) => format!("{shown} ({ratio:.2})"),
            None => shown,
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut table = Table::new("ws", ["a", "b"].into_iter());
        for (round, (a, b)) in [(1.0, 2.0), (10.0, 40.0), (3.0, 3.0)]
            .into_iter()
            .enumerate()
        {
            table.add(0, round, Figures::from([(Figure::Down, a)]));
            table.add(1, round, Figures::from([(Figure::Down, b)]));
        }
        let text = table.markdown(Some(0));
        assert!(
            text.contains("| CPU s/GiB, down | 3.00 | 3.00 (0.50) |"),
            "{text}"
        );
        assert!(text.contains("| CPU s/GiB, up | - | - |"), "{text}");
    }

    #[test]
    fn a_missing_round_is_no_pair() {
        let mut table = Table::new("ws", ["a", "b"].into_iter());
        table.add(0, 0, Figures::from([(Figure::Up, 5.0)]));
        table.add(0, 1, Figures::from([(Figure::Up, 7.0)]));
        table.add(1, 1, Figures::from([(Figure::Up, 14.0)]));
        let text = table.markdown(Some(0));
        assert!(
            text.contains("| CPU s/GiB, up | 6.00 | 14.0 (0.50) |"),
            "{text}"
        );
    }
}
