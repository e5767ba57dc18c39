//! The formula language of designs: `~ a + b + a:b`, `a * b`, `0 +` or `- 1`, `1`.
//!
//! Variables are names (or names in back-quotes); calls such as `I()` or `log()` are errors: add
//! the computed column to the sample table instead.

use std::fmt;

use crate::error::{Error, Result};

/// The variables of one term, as positions in [`Formula::variables`], ascending.
pub type Term = Vec<usize>;

/// A parsed right-hand side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    text: String,
    /// Variables in order of appearance.
    pub variables: Vec<String>,
    /// Terms without the intercept, main effects first, then by order of interaction.
    pub terms: Vec<Term>,
    /// Whether there is an intercept.
    pub intercept: bool,
}

impl fmt::Display for Formula {
    /// The text with R's spacing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Number(u32),
    Symbol(char),
}

impl Formula {
    /// Parses a formula; the leading `~` is required.
    ///
    /// # Errors
    /// `InvalidArgument` naming what could not be read.
    pub fn parse(text: &str) -> Result<Self> {
        let tokens = tokens(text)?;
        let Some((Token::Symbol('~'), body)) = tokens.split_first() else {
            return Err(fault(text, "must begin with `~`"));
        };
        let mut formula = Formula {
            text: spaced(&tokens),
            variables: Vec::new(),
            terms: Vec::new(),
            intercept: true,
        };
        let mut rest = body;
        let mut adding = true;
        if let Some((Token::Symbol(sign @ ('+' | '-')), after)) = rest.split_first() {
            adding = *sign == '+';
            rest = after;
        }
        loop {
            rest = formula.summand(text, rest, adding)?;
            match rest.split_first() {
                None => break,
                Some((Token::Symbol(sign @ ('+' | '-')), after)) => {
                    adding = *sign == '+';
                    rest = after;
                }
                Some((token, _)) => {
                    return Err(fault(
                        text,
                        &format!("does not continue with {}", shown(token)),
                    ));
                }
            }
        }
        formula.terms.sort_by_key(Vec::len);
        Ok(formula)
    }

    /// Whether a term holds more than one variable.
    pub fn has_interactions(&self) -> bool {
        self.terms.iter().any(|term| term.len() > 1)
    }

    /// One summand: `0`, `1`, or variables joined by `:` and `*`.
    fn summand<'t>(
        &mut self,
        text: &str,
        tokens: &'t [Token],
        adding: bool,
    ) -> Result<&'t [Token]> {
        if let Some((Token::Number(number), rest)) = tokens.split_first() {
            match number {
                0 => self.intercept = !adding,
                1 => self.intercept = adding,
                _ => {
                    return Err(fault(
                        text,
                        &format!("has the number {number}; only 0 and 1 mean something"),
                    ));
                }
            }
            return Ok(rest);
        }
        let (mut terms, mut rest) = self.interaction(text, tokens)?;
        while let Some((Token::Symbol('*'), after)) = rest.split_first() {
            let (right, after) = self.interaction(text, after)?;
            let mut all = terms.clone();
            all.extend(right.iter().cloned());
            for one in &terms {
                all.extend(right.iter().map(|other| union(one, other)));
            }
            terms = all;
            rest = after;
        }
        for term in terms {
            if !adding {
                self.terms.retain(|known| *known != term);
            } else if !self.terms.contains(&term) {
                self.terms.push(term);
            }
        }
        Ok(rest)
    }

    /// Variables or groups joined by `:`.
    fn interaction<'t>(
        &mut self,
        text: &str,
        tokens: &'t [Token],
    ) -> Result<(Vec<Term>, &'t [Token])> {
        let (first, mut rest) = self.variable(text, tokens)?;
        let mut term = vec![first];
        while let Some((Token::Symbol(':'), after)) = rest.split_first() {
            let (next, after) = self.variable(text, after)?;
            term = union(&term, &[next]);
            rest = after;
        }
        Ok((vec![term], rest))
    }

    fn variable<'t>(&mut self, text: &str, tokens: &'t [Token]) -> Result<(usize, &'t [Token])> {
        let (name, rest) = match tokens.split_first() {
            Some((Token::Name(name), rest)) => (name, rest),
            Some((token, _)) => {
                return Err(fault(
                    text,
                    &format!("has {} where a variable should be", shown(token)),
                ));
            }
            None => return Err(fault(text, "ends where a variable should be")),
        };
        if let Some((Token::Symbol('('), _)) = rest.split_first() {
            return Err(fault(
                text,
                &format!("calls {name}(); add the computed column to the sample table instead"),
            ));
        }
        let position = match self.variables.iter().position(|known| known == name) {
            Some(position) => position,
            None => {
                self.variables.push(name.clone());
                self.variables.len() - 1
            }
        };
        Ok((position, rest))
    }
}

fn union(a: &[usize], b: &[usize]) -> Term {
    let mut all: Term = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn fault(text: &str, what: &str) -> Error {
    Error::argument("design", format!("formula {text:?} {what}"))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Number(number) => number.to_string(),
        Token::Symbol(symbol) => format!("`{symbol}`"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c.is_ascii_digit() {
            let mut digits = String::new();
            while let Some(&d) = chars.peek().filter(|d| d.is_ascii_digit()) {
                digits.push(d);
                chars.next();
            }
            out.push(Token::Number(digits.parse().unwrap_or(u32::MAX)));
        } else if c.is_alphabetic() || c == '.' {
            let mut name = String::new();
            while let Some(&d) = chars
                .peek()
                .filter(|d| d.is_alphanumeric() || "._".contains(**d))
            {
                name.push(d);
                chars.next();
            }
            out.push(Token::Name(name));
        } else if c == '`' {
            chars.next();
            let name: String = chars.by_ref().take_while(|d| *d != '`').collect();
            out.push(Token::Name(name));
        } else if "~+-:*()".contains(c) {
            out.push(Token::Symbol(c));
            chars.next();
        } else {
            return Err(fault(
                text,
                &format!("has {c:?}, which is not part of the formula language"),
            ));
        }
    }
    Ok(out)
}

/// The formula as R prints it.
fn spaced(tokens: &[Token]) -> String {
    let mut out = String::new();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Name(name) => out.push_str(name),
            Token::Number(number) => out.push_str(&number.to_string()),
            Token::Symbol(c @ ('+' | '-' | '*')) if i > 1 => {
                out.push(' ');
                out.push(*c);
                out.push(' ');
            }
            Token::Symbol('~') => out.push('~'),
            Token::Symbol(c) => out.push(*c),
        }
        if matches!(token, Token::Symbol('~')) {
            out.push(' ');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> (Vec<String>, bool) {
        let formula = Formula::parse(text).expect("a formula");
        let names = formula.terms.iter().map(|term| {
            let names: Vec<&str> = term
                .iter()
                .map(|&v| formula.variables[v].as_str())
                .collect();
            names.join(":")
        });
        (names.collect(), formula.intercept)
    }

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_language() {
        assert_eq!(terms("~ a + b"), (list("a b"), true));
        assert_eq!(terms("~a:b + c"), (list("c a:b"), true));
        assert_eq!(terms("~ a*b"), (list("a b a:b"), true));
        assert_eq!(terms("~a*b*c"), (list("a b c a:b a:c b:c a:b:c"), true));
        assert_eq!(terms("~ 0 + a"), (list("a"), false));
        assert_eq!(terms("~ a - 1"), (list("a"), false));
        assert_eq!(terms("~ 1"), (list(""), true));
        assert_eq!(terms("~ a*b - b"), (list("a a:b"), true));
        assert_eq!(
            terms("~ `my var` + a.b_2"),
            (vec!["my var".into(), "a.b_2".into()], true)
        );
    }

    #[test]
    fn faults_are_named() {
        for (text, part) in [
            ("a + b", "must begin"),
            ("~ a +", "ends where"),
            ("~ log(a)", "calls log()"),
            ("~ a b", "does not continue"),
            ("~ a + 2", "the number 2"),
            ("~ a | b", "not part of"),
        ] {
            let error = Formula::parse(text).expect_err("a fault");
            assert!(error.message().contains(part), "{}", error.message());
        }
    }

    #[test]
    fn it_is_printed_as_r_does() {
        assert_eq!(
            Formula::parse("~batch+condition").expect("ok").to_string(),
            "~ batch + condition"
        );
        assert_eq!(Formula::parse("~1").expect("ok").to_string(), "~ 1");
        assert_eq!(
            Formula::parse("~a+a:b").expect("ok").to_string(),
            "~ a + a:b"
        );
    }
}
