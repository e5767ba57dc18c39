//! Names of coefficients as R writes them.

/// Words that R keeps for itself and that get a dot.
const RESERVED: [&str; 12] = [
    "if", "else", "repeat", "while", "function", "for", "next", "break", "TRUE", "FALSE", "NULL",
    "NA",
];

/// A syntactic name: illegal characters become dots; a bad start gets an `X` before it.
///
/// Source: the rule of R's `make.names` (letters of any script are kept).
pub fn make_name(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '.' || c == '_' {
                c
            } else {
                '.'
            }
        })
        .collect();
    let mut start = text.chars();
    let fine = match start.next() {
        Some('.') => !start.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_alphabetic(),
        None => false,
    };
    if !fine {
        name.insert(0, 'X');
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('.');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rs() {
        let cases = [
            ("genoko:trtdrug", "genoko.trtdrug"),
            ("1a", "X1a"),
            (".2", "X.2"),
            (".a", ".a"),
            ("_a", "X_a"),
            ("a b-c", "a.b.c"),
            ("TRUE", "TRUE."),
            ("", "X"),
        ];
        for (from, to) in cases {
            assert_eq!(make_name(from), to);
        }
    }
}
