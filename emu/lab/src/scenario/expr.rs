//! Expressions over event fields and variables: `crashes + 1`, `ctx ^ 0x10`, `n == step && retval != 0`, `rand(1, 6)`.
//!
//! Numbers are 64-bit and wrap; comparisons give 1 or 0; dividing by 0 gives 0. Precedence is C's.

use super::random::Random;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A number.
    Int(i64),
    /// A field of the event, or a variable.
    Name(String),
    /// `!`, `-`, `~`
    Unary(char, Box<Expr>),
    /// All others.
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `rand(low, high)`, both included.
    Rand(Box<Expr>, Box<Expr>),
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `|`
    BitOr,
    /// `^`
    Xor,
    /// `&`
    BitAnd,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `<`
    Lt,
    /// `>`
    Gt,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

/// Longer spellings before their beginnings.
const OPERATORS: [(&str, Op, u8); 18] = [
    ("||", Op::Or, 1),
    ("&&", Op::And, 2),
    ("==", Op::Eq, 6),
    ("!=", Op::Ne, 6),
    ("<<", Op::Shl, 8),
    (">>", Op::Shr, 8),
    ("<=", Op::Le, 7),
    (">=", Op::Ge, 7),
    ("|", Op::BitOr, 3),
    ("^", Op::Xor, 4),
    ("&", Op::BitAnd, 5),
    ("<", Op::Lt, 7),
    (">", Op::Gt, 7),
    ("+", Op::Add, 9),
    ("-", Op::Sub, 9),
    ("*", Op::Mul, 10),
    ("/", Op::Div, 10),
    ("%", Op::Rem, 10),
];

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Longest text in bytes, which also bounds how deep a chain of operators can get.
const MAX_LENGTH: usize = 512;

impl Expr {
    /// Parses a whole text.
    ///
    /// # Errors
    /// What is wrong and where in the text, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!(
                "an expression of {} bytes; {MAX_LENGTH} are allowed",
                text.len()
            ));
        }
        let mut parser = Parser { text, at: 0 };
        let expr = parser.binary(0, 0)?;
        match parser.peek() {
            None => Ok(expr),
            Some(c) => Err(parser.error(&format!("unexpected `{c}`"))),
        }
    }

    /// Calls `found` for every name in it.
    pub fn names<'a>(&'a self, found: &mut impl FnMut(&'a str)) {
        match self {
            Self::Int(_) => {}
            Self::Name(name) => found(name),
            Self::Unary(_, a) => a.names(found),
            Self::Binary(_, a, b) | Self::Rand(a, b) => {
                a.names(found);
                b.names(found);
            }
        }
    }

    /// Its value; names that `value` does not know are 0.
    pub fn eval(&self, value: &dyn Fn(&str) -> Option<i64>, random: &mut Random) -> i64 {
        match self {
            Self::Int(n) => *n,
            Self::Name(name) => value(name).unwrap_or(0),
            Self::Unary(op, a) => {
                let a = a.eval(value, random);
                match op {
                    '!' => i64::from(a == 0),
                    '~' => !a,
                    _ => a.wrapping_neg(),
                }
            }
            Self::Binary(op, a, b) => {
                let (a, b) = (a.eval(value, random), b.eval(value, random));
                apply(*op, a, b)
            }
            Self::Rand(a, b) => {
                let (a, b) = (a.eval(value, random), b.eval(value, random));
                random.between(a, b)
            }
        }
    }
}

fn apply(op: Op, a: i64, b: i64) -> i64 {
    // A shift by 64 or more leaves nothing.
    let shift = u32::try_from(b).ok();
    match op {
        Op::Or => i64::from(a != 0 || b != 0),
        Op::And => i64::from(a != 0 && b != 0),
        Op::BitOr => a | b,
        Op::Xor => a ^ b,
        Op::BitAnd => a & b,
        Op::Eq => i64::from(a == b),
        Op::Ne => i64::from(a != b),
        Op::Le => i64::from(a <= b),
        Op::Ge => i64::from(a >= b),
        Op::Lt => i64::from(a < b),
        Op::Gt => i64::from(a > b),
        Op::Shl => shift.and_then(|n| a.checked_shl(n)).unwrap_or(0),
        // Contexts are unsigned.
        Op::Shr => shift
            .and_then(|n| a.cast_unsigned().checked_shr(n))
            .unwrap_or(0)
            .cast_signed(),
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::Div if b == 0 => 0,
        Op::Div => a.wrapping_div(b),
        Op::Rem if b == 0 => 0,
        Op::Rem => a.wrapping_rem(b),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn error(&self, what: &str) -> String {
        format!(
            "{what} at character {} of the expression {:?}",
            self.at + 1,
            self.text
        )
    }

    fn eat(&mut self, text: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn operator(&mut self) -> Option<(&'static str, Op, u8)> {
        self.peek();
        OPERATORS
            .into_iter()
            .find(|(text, ..)| self.rest().starts_with(text))
    }

    fn binary(&mut self, weakest: u8, depth: usize) -> Result<Expr, String> {
        let mut left = self.unary(depth)?;
        while let Some((text, op, strength)) = self.operator() {
            if strength <= weakest {
                break;
            }
            self.at += text.len();
            let right = self.binary(strength, depth + 1)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        match self.peek() {
            None => Err(self.error("a number or a name is missing")),
            Some(op @ ('!' | '-' | '~')) => {
                self.at += 1;
                Ok(Expr::Unary(op, Box::new(self.unary(depth + 1)?)))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.binary(0, depth + 1)?;
                self.close(inner)
            }
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(depth),
            Some(c) => Err(self.error(&format!("unexpected `{c}`"))),
        }
    }

    fn close(&mut self, inner: Expr) -> Result<Expr, String> {
        if self.eat(")") {
            Ok(inner)
        } else {
            Err(self.error("`)` is missing"))
        }
    }

    fn word(&mut self) -> String {
        let word: String = self
            .rest()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Result<Expr, String> {
        let start = self.at;
        let word = self.word().replace('_', "");
        let digits = word.strip_prefix("0x");
        let value = digits.map_or_else(|| word.parse::<u64>(), |digits| u64::from_str_radix(digits, 16));
        value.map(|n| Expr::Int(n.cast_signed())).map_err(|_| {
            self.at = start;
            self.error(&format!("`{word}` is not a number of 64 bits"))
        })
    }

    fn name(&mut self, depth: usize) -> Result<Expr, String> {
        let name = self.word();
        if name != "rand" {
            return Ok(Expr::Name(name));
        }
        if !self.eat("(") {
            return Err(self.error("`rand` needs (low, high)"));
        }
        let low = self.binary(0, depth + 1)?;
        if !self.eat(",") {
            return Err(self.error("`rand` needs (low, high)"));
        }
        let high = self.binary(0, depth + 1)?;
        self.close(Expr::Rand(Box::new(low), Box::new(high)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eval(text: &str) -> i64 {
        let value = |name: &str| (name == "x").then_some(7);
        Expr::parse(text)
            .unwrap()
            .eval(&value, &mut Random::new(1, "", 0))
    }

    #[test]
    fn precedence_is_c_s() {
        assert_eq!(eval("1 + 2 * 3"), 7);
        assert_eq!(eval("(1 + 2) * 3"), 9);
        assert_eq!(eval("10 - 3 - 2"), 5);
        assert_eq!(eval("1 << 4 | 3"), 19);
        assert_eq!(eval("x >= 7 && x < 8 || 0"), 1);
        assert_eq!(eval("x & 3 == 3"), 7 & i64::from(3 == 3));
        assert_eq!(eval("-x + ~0 - !x"), -8);
        assert_eq!(eval("0xffff_ffff_ffff_fff0 >> 4"), 0x0fff_ffff_ffff_ffff);
        assert_eq!(eval("x / 0 + x % 0 + (1 << 64) + (1 << -1)"), 0);
        assert_eq!(eval("unknown"), 0);
        assert_eq!(eval("rand(3, 3)"), 3);
    }

    #[test]
    fn errors_say_where() {
        let error = |text: &str| Expr::parse(text).unwrap_err();
        assert_eq!(
            error("1 +"),
            "a number or a name is missing at character 4 of the expression \"1 +\""
        );
        assert!(error("(1").contains("`)` is missing"));
        assert!(error("1 2").contains("unexpected `2` at character 3"));
        assert!(error("0xg").contains("not a number"));
        assert!(error("rand(1)").contains("needs (low, high)"));
        assert!(error(&"(".repeat(300)).contains("too deeply"));
        assert!(error(&"1".repeat(600)).contains("512 are allowed"));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails(text in "\\PC{0,80}") {
            let _ = Expr::parse(&text);
        }

        #[test]
        fn any_expression_has_a_value(text in "([0-9x]{1,3}|[-+*/%&|^<>=!~() ,]|rand\\(){0,60}") {
            if let Ok(expr) = Expr::parse(&text) {
                expr.eval(&|_| Some(i64::MIN), &mut Random::new(1, "", 0));
            }
        }
    }
}
