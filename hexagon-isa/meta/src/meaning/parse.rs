//! Tokens to [`ast`](super::ast). Precedence is C's, except that comparisons bind weaker than `& ^ |`.

use super::ast::{Expr, ExprKind, Stmt, StmtKind};
use super::lex::{Token, lex};
use super::{Error, Pos};

/// Depth of nesting after which a text is refused.
const MAX_DEPTH: u32 = 64;

/// Infix operators, weakest first.
const LEVELS: [&[&str]; 9] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<", "<=", ">", ">="],
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "%"],
];

struct Parser<'a> {
    tokens: Vec<(Token, u32)>,
    at: usize,
    depth: u32,
    pos: &'a Pos,
}

/// Parses the text between a meaning's braces.
pub fn parse(text: &str, pos: &Pos) -> Result<Vec<Stmt>, Error> {
    let mut p = Parser {
        tokens: lex(text, pos)?,
        at: 0,
        depth: 0,
        pos,
    };
    let body = p.stmts()?;
    match p.peek() {
        Token::End => Ok(body),
        other => Err(p.unexpected(&other.clone(), "a statement")),
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(t, _)| t)
    }

    fn col(&self) -> u32 {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(0, |(_, c)| *c)
    }

    fn error(&self, what: String) -> Error {
        self.pos.error(self.col(), what)
    }

    fn unexpected(&self, found: &Token, wanted: &str) -> Error {
        let found = match found {
            Token::Ident(s) => format!("`{s}`"),
            Token::Int(n) => format!("`{n}`"),
            Token::Sym(s) => format!("`{s}`"),
            Token::End => "the end".to_string(),
        };
        self.error(format!("expected {wanted}, found {found}"))
    }

    fn eat(&mut self, sym: &str) -> bool {
        let hit = matches!(self.peek(), Token::Sym(s) if *s == sym);
        self.at += usize::from(hit);
        hit
    }

    fn expect(&mut self, sym: &str) -> Result<(), Error> {
        if self.eat(sym) {
            Ok(())
        } else {
            Err(self.unexpected(&self.peek().clone(), &format!("`{sym}`")))
        }
    }

    fn ident(&mut self) -> Result<String, Error> {
        match self.peek().clone() {
            Token::Ident(s) => {
                self.at += 1;
                Ok(s)
            }
            other => Err(self.unexpected(&other, "a name")),
        }
    }

    fn int(&mut self) -> Result<i128, Error> {
        match self.peek().clone() {
            Token::Int(n) => {
                self.at += 1;
                Ok(n)
            }
            other => Err(self.unexpected(&other, "a number")),
        }
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deeply".to_string()));
        }
        let out = f(self);
        self.depth -= 1;
        out
    }

    fn stmts(&mut self) -> Result<Vec<Stmt>, Error> {
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Token::End | Token::Sym("}") => return Ok(out),
                Token::Sym(";") => self.at += 1,
                _ => {
                    let stmt = self.stmt()?;
                    let block = matches!(
                        stmt.kind,
                        StmtKind::If(..) | StmtKind::For(..) | StmtKind::Lane(..)
                    );
                    out.push(stmt);
                    if !block && !matches!(self.peek(), Token::End | Token::Sym("}" | ";")) {
                        return Err(self.unexpected(&self.peek().clone(), "`;`"));
                    }
                }
            }
        }
    }

    /// One statement or a braced list.
    fn body(&mut self) -> Result<Vec<Stmt>, Error> {
        self.deeper(|p| {
            if p.eat("{") {
                let body = p.stmts()?;
                p.expect("}")?;
                Ok(body)
            } else {
                Ok(vec![p.stmt()?])
            }
        })
    }

    fn stmt(&mut self) -> Result<Stmt, Error> {
        let col = self.col();
        let word = match self.peek() {
            Token::Ident(s) => s.clone(),
            _ => String::new(),
        };
        let kind = match word.as_str() {
            "nop" => {
                self.at += 1;
                StmtKind::Nop
            }
            "let" => {
                self.at += 1;
                let name = self.ident()?;
                self.expect("=")?;
                StmtKind::Let(name, self.expr()?)
            }
            "if" => {
                self.at += 1;
                self.expect("(")?;
                let cond = self.expr()?;
                self.expect(")")?;
                let then = self.body()?;
                let before = self.at;
                self.eat(";");
                let otherwise = match self.peek() {
                    Token::Ident(s) if s == "else" => {
                        self.at += 1;
                        self.body()?
                    }
                    _ => {
                        self.at = before;
                        Vec::new()
                    }
                };
                StmtKind::If(cond, then, otherwise)
            }
            "for" => {
                self.at += 1;
                let name = self.ident()?;
                if self.ident()? != "in" {
                    return Err(self.error("expected `in`".to_string()));
                }
                let from = self.int()?;
                self.expect("..")?;
                let to = self.int()?;
                StmtKind::For(name, from, to, self.body()?)
            }
            "lane" | "lane2" => {
                self.at += 1;
                let elem = self.ident()?;
                self.expect(":")?;
                StmtKind::Lane(elem, word == "lane2", self.body()?)
            }
            _ => {
                let place = self.expr()?;
                let ops = [
                    ("=", None),
                    ("+=", Some("+")),
                    ("-=", Some("-")),
                    ("|=", Some("|")),
                    ("&=", Some("&")),
                    ("^=", Some("^")),
                ];
                match ops.into_iter().find(|(s, _)| self.eat(s)) {
                    Some((_, op)) => StmtKind::Assign(place, op, self.expr()?),
                    None => match place.kind {
                        ExprKind::Call(name, args) => StmtKind::Call(name, args),
                        _ => return Err(self.unexpected(&self.peek().clone(), "`=`")),
                    },
                }
            }
        };
        Ok(Stmt { kind, col })
    }

    fn expr(&mut self) -> Result<Expr, Error> {
        self.deeper(|p| {
            let col = p.col();
            let cond = p.binary(0)?;
            if !p.eat("?") {
                return Ok(cond);
            }
            let a = p.expr()?;
            p.expect(":")?;
            let b = p.expr()?;
            Ok(Expr {
                kind: ExprKind::Select(Box::new(cond), Box::new(a), Box::new(b)),
                col,
            })
        })
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Error> {
        let Some(ops) = LEVELS.get(level) else {
            return self.unary();
        };
        let col = self.col();
        let mut left = self.binary(level + 1)?;
        while let Some(op) = ops.iter().find(|op| self.eat(op)) {
            let right = self.binary(level + 1)?;
            left = Expr {
                kind: ExprKind::Binary(op, Box::new(left), Box::new(right)),
                col,
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        let col = self.col();
        match ["-", "~", "!"].into_iter().find(|op| self.eat(op)) {
            Some(op) => {
                let e = self.deeper(Self::unary)?;
                Ok(Expr {
                    kind: ExprKind::Unary(op, Box::new(e)),
                    col,
                })
            }
            None => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Result<Expr, Error> {
        let col = self.col();
        let mut e = self.primary()?;
        while self.eat(".") {
            let field = self.ident()?;
            let index = if self.eat("[") {
                let i = self.expr()?;
                self.expect("]")?;
                Some(Box::new(i))
            } else {
                None
            };
            e = Expr {
                kind: ExprKind::Field(Box::new(e), field, index),
                col,
            };
        }
        Ok(e)
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let col = self.col();
        let kind = match self.peek().clone() {
            Token::Int(n) => {
                self.at += 1;
                ExprKind::Int(n)
            }
            Token::Sym("(") => {
                self.at += 1;
                let e = self.expr()?;
                self.expect(")")?;
                return Ok(e);
            }
            Token::Ident(name) => {
                self.at += 1;
                if self.eat("(") {
                    let mut args = Vec::new();
                    while !self.eat(")") {
                        args.push(self.expr()?);
                        if !self.eat(",") {
                            self.expect(")")?;
                            break;
                        }
                    }
                    ExprKind::Call(name, args)
                } else if (name.starts_with("mem") || name.starts_with("vmem")) && self.eat("[") {
                    let ea = self.expr()?;
                    self.expect("]")?;
                    ExprKind::Index(name, Box::new(ea))
                } else {
                    ExprKind::Name(name)
                }
            }
            other => return Err(self.unexpected(&other, "an expression")),
        };
        Ok(Expr { kind, col })
    }
}
