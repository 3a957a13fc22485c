//! What was understood of what was said.

/// Words put in, left out or taken for others (Levenshtein).
pub fn word_errors(said: &str, understood: &str) -> usize {
    let (said, understood): (Vec<&str>, Vec<&str>) = (said.split_whitespace().collect(), understood.split_whitespace().collect());
    let mut row: Vec<usize> = (0..=understood.len()).collect();
    for (i, word) in said.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in understood.iter().enumerate() {
            next.push((row[j] + usize::from(word != other)).min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[understood.len()]
}

#[cfg(test)]
mod tests {
    use super::word_errors;

    #[test]
    fn each_word_that_is_wrong_missing_or_too_many_counts() {
        assert_eq!(word_errors("one two three", "one two three"), 0);
        assert_eq!(word_errors("one two three", "one too three"), 1);
        assert_eq!(word_errors("one two three", "two three four"), 2);
        assert_eq!((word_errors("one two", ""), word_errors("", "one two")), (2, 2));
    }
}
