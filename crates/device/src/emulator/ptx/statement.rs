//! One instruction as it is written: a guard, an opcode, operands.

use super::lexer::Token;

/// An operand as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A name: of a register, variable, parameter or label.
    Name(String),
    /// An integer.
    Integer(i128),
    /// The bits of an f32 (`0f3F800000`).
    F32(u32),
    /// The bits of an f64 (`0d3FF0000000000000`, or a decimal number with a point).
    F64(u64),
    /// `[base + offset]`.
    Address(Box<Operand>, i64),
    /// `{a, b}`.
    Vector(Vec<Operand>),
    /// `a|b`.
    Pair(Box<Operand>, Box<Operand>),
    /// `!a`.
    Not(Box<Operand>),
    /// `_`: a result that is dropped.
    Dropped,
}

/// An instruction as it is written.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The name of the guard, and whether it is negated.
    pub guard: Option<(String, bool)>,
    /// The opcode with all its modes.
    pub opcode: String,
    /// The operands.
    pub operands: Vec<Operand>,
    /// The line of the opcode.
    pub line: u32,
}

/// The tokens of one statement, without its semicolon.
struct Reader<'r, 't> {
    tokens: &'r [Token<'t>],
    at: usize,
}

impl<'t> Reader<'_, 't> {
    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).map_or("", |token| token.text)
    }

    fn next(&mut self) -> &'t str {
        let text = self.peek();
        self.at += 1;
        text
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.peek() == sign;
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        let found = self.peek();
        if self.takes(sign) { Ok(()) } else { Err(format!("`{found}` stands where `{sign}` is expected")) }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let first = match self.peek() {
            "{" => {
                self.next();
                Operand::Vector(self.list("}")?)
            }
            "[" => {
                self.next();
                let base = self.simple()?;
                let mut offset = 0;
                if self.takes("+") || self.peek() == "-" {
                    let Operand::Integer(number) = self.simple()? else {
                        return Err("an offset is not a number".to_owned());
                    };
                    offset = number as i64;
                }
                self.expect("]")?;
                Operand::Address(Box::new(base), offset)
            }
            _ => self.simple()?,
        };
        if self.takes("|") {
            return Ok(Operand::Pair(Box::new(first), Box::new(self.simple()?)));
        }
        Ok(first)
    }

    fn list(&mut self, end: &str) -> Result<Vec<Operand>, String> {
        let mut list = vec![self.operand()?];
        while self.takes(",") {
            list.push(self.operand()?);
        }
        self.expect(end)?;
        Ok(list)
    }

    fn simple(&mut self) -> Result<Operand, String> {
        match self.next() {
            "!" => Ok(Operand::Not(Box::new(self.simple()?))),
            "-" => match self.simple()? {
                Operand::Integer(number) => Ok(Operand::Integer(-number)),
                Operand::F64(bits) => Ok(Operand::F64((-f64::from_bits(bits)).to_bits())),
                _ => Err("a minus stands before something that is not a number".to_owned()),
            },
            "_" => Ok(Operand::Dropped),
            word if word.starts_with(|c: char| c.is_ascii_digit()) => number(word),
            word if word.starts_with(|c: char| c.is_ascii_alphabetic() || "_$%".contains(c)) => {
                Ok(Operand::Name(word.to_owned()))
            }
            other => Err(format!("`{other}` is not an operand")),
        }
    }
}

/// Reads a number.
fn number(word: &str) -> Result<Operand, String> {
    let refused = || format!("`{word}` is not a number");
    let hexadecimal = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| refused());
    let lower = word.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0f").filter(|digits| digits.len() == 8) {
        return Ok(Operand::F32(hexadecimal(digits)? as u32));
    }
    if let Some(digits) = lower.strip_prefix("0d").filter(|digits| digits.len() == 16) {
        return Ok(Operand::F64(hexadecimal(digits)?));
    }
    if lower.contains('.') {
        return lower.parse().map(|value: f64| Operand::F64(value.to_bits())).map_err(|_| refused());
    }
    let digits = lower.strip_suffix('u').unwrap_or(&lower);
    let value = if let Some(digits) = digits.strip_prefix("0x") {
        hexadecimal(digits)?
    } else if let Some(digits) = digits.strip_prefix("0b") {
        u64::from_str_radix(digits, 2).map_err(|_| refused())?
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(digits, 8).map_err(|_| refused())?
    } else {
        digits.parse().map_err(|_| refused())?
    };
    Ok(Operand::Integer(value.into()))
}

/// Reads the tokens of an instruction, without its semicolon.
///
/// # Errors
/// What stands where something else is expected.
pub fn statement(tokens: &[Token<'_>]) -> Result<Statement, String> {
    let mut reader = Reader { tokens, at: 0 };
    let guard = if reader.takes("@") {
        let is_negated = reader.takes("!");
        Some((reader.next().to_owned(), is_negated))
    } else {
        None
    };
    let line = tokens.get(reader.at).map_or(0, |token| token.line);
    let opcode = reader.next().to_owned();
    if !opcode.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!("`{opcode}` is not an instruction"));
    }
    if opcode.starts_with("call") {
        return Err(format!("no `{opcode}` yet"));
    }
    let mut operands = Vec::new();
    if reader.at < tokens.len() {
        operands.push(reader.operand()?);
        while reader.takes(",") {
            operands.push(reader.operand()?);
        }
    }
    if reader.at < tokens.len() {
        return Err(format!("`{}` stands where the instruction should end", reader.peek()));
    }
    Ok(Statement { guard, opcode, operands, line })
}
