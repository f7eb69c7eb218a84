//! PTX text read into kernels that can be run.
//!
//! The text is what NVRTC writes for our sources. What the emulator does not know is an error that names its line.

pub mod instruction;

mod decode;
mod decode_memory;
mod decode_warp;
mod lexer;
mod names;
mod statement;
mod words;

use crate::Error;
use crate::emulator::memory::space::VARIABLES;
use crate::emulator::types::Type;
use instruction::{Instruction, Kernel, Op, Parameter};
use lexer::{Token, tokens};
use names::Names;
use std::collections::{BTreeMap, HashMap};

/// The kernels of a PTX text, by name.
#[derive(Debug, Default)]
pub struct Module {
    /// The kernels.
    pub kernels: BTreeMap<String, Kernel>,
    /// Bytes of the variables in global memory, which lie from [`VARIABLES`] on. They are 0 before the first launch.
    pub variables: u64,
}

/// The most shared memory of a kernel that is not asked for at the launch, by the CUDA C++ Programming Guide.
const SHARED_LIMIT: u64 = 48 * 1024;

/// The largest alignment of a variable or a parameter that occurs.
const ALIGN_LIMIT: u64 = 4096;

/// The most local memory of a thread.
const LOCAL_LIMIT: u64 = 512 * 1024;

impl Module {
    /// Reads PTX text.
    ///
    /// # Errors
    /// The line, and what stands there.
    pub fn parse(text: &str) -> Result<Module, Error> {
        let tokens = tokens(text);
        let (module, shared, global) = Default::default();
        let mut parser = Parser { tokens: &tokens, at: 0, module, shared, global };
        match parser.module() {
            Ok(()) => Ok(parser.module),
            Err(Located { line, what }) => Err(Error::Fault(format!("PTX line {line}: {what}"))),
        }
    }
}

/// What is wrong, and where.
struct Located {
    line: u32,
    what: String,
}

/// A variable in global, shared or local memory.
#[derive(Clone, Copy)]
struct Variable {
    align: u64,
    bytes: u64,
}

/// A part of a kernel's body.
enum Item {
    Open,
    Close,
    Registers(Vec<(String, Option<u64>)>, Type),
    Variable { name: String, variable: Variable, is_shared: bool },
    Statement(statement::Statement),
}

/// The number of the instruction behind each label.
type Labels = HashMap<String, u32>;

struct Parser<'p, 't> {
    tokens: &'p [Token<'t>],
    at: usize,
    module: Module,
    /// Shared variables of the whole module.
    shared: HashMap<String, Variable>,
    /// Global variables of the whole module, with their addresses.
    global: HashMap<String, u64>,
}

impl<'p, 't> Parser<'p, 't> {
    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).map_or("", |token| token.text)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    fn next(&mut self) -> &'t str {
        let text = self.peek();
        self.at += 1;
        text
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Located> {
        Err(Located { line: self.line(), what: what.into() })
    }

    fn expect(&mut self, sign: &str) -> Result<(), Located> {
        let found = self.peek();
        if found != sign {
            return self.wrong(format!("`{found}` stands where `{sign}` is expected"));
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<u64, Located> {
        let word = self.peek();
        match word.parse() {
            Ok(number) => {
                self.at += 1;
                Ok(number)
            }
            Err(_) => self.wrong(format!("`{word}` is not a number")),
        }
    }

    /// Leaves the rest of the line out.
    fn skip_line(&mut self) {
        let line = self.line();
        while self.at < self.tokens.len() && self.line() == line {
            self.at += 1;
        }
    }

    /// Returns the tokens up to a semicolon, which is left out.
    fn until_semicolon(&mut self) -> Result<&'p [Token<'t>], Located> {
        let rest = &self.tokens[self.at..];
        let Some(end) = rest.iter().position(|token| token.text == ";") else {
            return self.wrong("no `;` follows");
        };
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn module(&mut self) -> Result<(), Located> {
        while self.at < self.tokens.len() {
            match self.peek() {
                ".version" | ".target" | ".file" | ".loc" => self.skip_line(),
                ".address_size" => {
                    self.at += 1;
                    if self.number()? != 64 {
                        return self.wrong("no addresses of another size than 64 yet");
                    }
                }
                ".visible" | ".weak" | ".extern" => self.at += 1,
                ".entry" => self.entry()?,
                ".global" => self.global_variable()?,
                ".const" | ".pragma" => _ = self.until_semicolon()?,
                ".shared" => {
                    let (name, variable) = self.variable()?;
                    self.shared.insert(name, variable);
                }
                ";" => self.at += 1,
                other => return self.wrong(format!("no `{other}` yet")),
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<(), Located> {
        self.expect(".entry")?;
        let name = self.next().to_owned();
        let parameters = self.parameters()?;
        let mut threads = None;
        while self.peek() != "{" {
            match self.next() {
                word @ (".maxntid" | ".reqntid") => {
                    let mut sizes = [1; 3];
                    sizes[0] = self.number()?;
                    for size in &mut sizes[1..] {
                        if self.peek() == "," {
                            self.at += 1;
                            *size = self.number()?;
                        }
                    }
                    threads = Some((sizes.map(|size| size as u32), word == ".reqntid"));
                }
                ".minnctapersm" | ".maxnreg" => _ = self.number()?,
                ".pragma" => _ = self.until_semicolon()?,
                other => {
                    self.at -= 1;
                    return self.wrong(format!("no `{other}` yet"));
                }
            }
        }
        let (items, labels) = self.body()?;
        let kernel = Kernel { name: name.clone(), parameters, threads, ..Kernel::default() };
        let kernel = resolve(kernel, &items, &labels, (&self.shared, &self.global))?;
        if self.module.kernels.insert(name.clone(), kernel).is_some() {
            return self.wrong(format!("kernel `{name}` occurs twice"));
        }
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, Located> {
        let (mut parameters, mut end) = (Vec::new(), 0u32);
        if self.peek() != "(" {
            return Ok(parameters);
        }
        self.at += 1;
        while self.peek() != ")" {
            self.expect(".param")?;
            let (mut ty, mut align, mut name) = (None, None, String::new());
            while ![",", ")", "[", ""].contains(&self.peek()) {
                match self.next() {
                    ".align" => align = Some(self.number()?),
                    word => match word.strip_prefix('.') {
                        Some(word) => ty = ty.or(Type::parse(word)),
                        None => name = word.to_owned(),
                    },
                }
            }
            let Some(element) = ty else { return self.wrong(format!("parameter `{name}` has no type")) };
            let mut bytes = element.bytes();
            if self.peek() == "[" {
                self.at += 1;
                bytes = bytes.saturating_mul(self.number()?.min(1 << 16) as u32);
                self.expect("]")?;
                ty = None;
            }
            let is_pointer = ty.is_some();
            // `.align` behind `.ptr` is that of what a pointer leads to.
            let align = align.filter(|_| !is_pointer).unwrap_or(element.bytes().into());
            self.check_alignment(align, "parameter")?;
            let offset = end.next_multiple_of(align as u32);
            end = offset + bytes;
            parameters.push(Parameter { name, ty, offset, bytes });
            if self.peek() == "," {
                self.at += 1;
            } else if self.peek() != ")" {
                return self.wrong("a list of parameters does not end");
            }
        }
        self.at += 1;
        Ok(parameters)
    }

    fn check_alignment(&self, align: u64, of: &str) -> Result<(), Located> {
        if align.is_power_of_two() && align <= ALIGN_LIMIT {
            return Ok(());
        }
        self.wrong(format!("{align} is not an alignment of a {of}"))
    }

    /// Reads a variable of the module. One with initial values is left out.
    fn global_variable(&mut self) -> Result<(), Located> {
        let start = self.at;
        if self.until_semicolon()?.iter().any(|token| token.text == "=") {
            return Ok(());
        }
        self.at = start;
        let (name, variable) = self.variable()?;
        let address = VARIABLES + place(&mut self.module.variables, variable);
        self.global.insert(name, address);
        Ok(())
    }

    /// Reads `.shared .align 4 .b8 name[8][33];`.
    fn variable(&mut self) -> Result<(String, Variable), Located> {
        self.at += 1;
        let (mut ty, mut align, mut name) = (None, None, String::new());
        while !["[", ";", "=", ""].contains(&self.peek()) {
            match self.next() {
                ".align" => align = Some(self.number()?),
                word => match word.strip_prefix('.') {
                    Some(word) => ty = ty.or(Type::parse(word)),
                    None => name = word.to_owned(),
                },
            }
        }
        let Some(ty) = ty else { return self.wrong(format!("variable `{name}` has no type")) };
        let mut bytes = u64::from(ty.bytes());
        while self.peek() == "[" {
            self.at += 1;
            // A size that only the launch knows is 0 here.
            let count = if self.peek() == "]" { 0 } else { self.number()? };
            bytes = bytes.saturating_mul(count);
            self.expect("]")?;
        }
        self.expect(";")?;
        let align = align.unwrap_or(ty.bytes().into());
        self.check_alignment(align, "variable")?;
        if bytes > LOCAL_LIMIT {
            return self.wrong(format!("variable `{name}` has {bytes} bytes"));
        }
        Ok((name, Variable { align, bytes }))
    }

    fn registers(&mut self) -> Result<Item, Located> {
        self.at += 1;
        let word = self.next();
        let Some(ty) = word.strip_prefix('.').and_then(Type::parse) else {
            return self.wrong(format!("no registers of type `{word}` yet"));
        };
        let mut names = Vec::new();
        loop {
            let name = self.next().to_owned();
            let mut count = None;
            if self.peek() == "<" {
                self.at += 1;
                count = Some(self.number()?);
                self.expect(">")?;
            }
            names.push((name, count));
            if self.peek() != "," {
                break;
            }
            self.at += 1;
        }
        self.expect(";")?;
        Ok(Item::Registers(names, ty))
    }

    fn body(&mut self) -> Result<(Vec<(Item, u32)>, Labels), Located> {
        let (mut items, mut labels) = (Vec::new(), HashMap::new());
        let (mut depth, mut count) = (0, 0);
        loop {
            let line = self.line();
            let item = match self.peek() {
                "" => return self.wrong("a kernel does not end"),
                "{" => {
                    self.at += 1;
                    depth += 1;
                    Item::Open
                }
                "}" => {
                    self.at += 1;
                    depth -= 1;
                    if depth == 0 {
                        return Ok((items, labels));
                    }
                    Item::Close
                }
                ".reg" => self.registers()?,
                word @ (".shared" | ".local") => {
                    let (name, variable) = self.variable()?;
                    Item::Variable { name, variable, is_shared: word == ".shared" }
                }
                ".loc" | ".file" => {
                    self.skip_line();
                    continue;
                }
                ".pragma" => {
                    self.until_semicolon()?;
                    continue;
                }
                ";" => {
                    self.at += 1;
                    continue;
                }
                word if word.starts_with('.') => return self.wrong(format!("no `{word}` yet")),
                word if self.tokens.get(self.at + 1).is_some_and(|token| token.text == ":") => {
                    self.at += 2;
                    if labels.insert(word.to_owned(), count).is_some() {
                        return self.wrong(format!("label `{word}` occurs twice"));
                    }
                    continue;
                }
                _ => {
                    let tokens = self.until_semicolon()?;
                    count += 1;
                    Item::Statement(statement::statement(tokens).map_err(|what| Located { line, what })?)
                }
            };
            items.push((item, line));
        }
    }
}

/// Places a variable behind others, and returns its address.
fn place(end: &mut u64, variable: Variable) -> u64 {
    let address = end.next_multiple_of(variable.align);
    *end = address.saturating_add(variable.bytes);
    address
}

fn resolve(
    mut kernel: Kernel,
    items: &[(Item, u32)],
    labels: &Labels,
    (module_shared, module_global): (&HashMap<String, Variable>, &HashMap<String, u64>),
) -> Result<Kernel, Located> {
    let mut names = Names::default();
    module_global.iter().for_each(|(name, &address)| names.declare_variable(name, address));
    let (mut shared, mut local) = (0, 0);
    for parameter in &kernel.parameters {
        names.declare_variable(&parameter.name, parameter.offset.into());
    }
    let mut named: Vec<&String> = module_shared.keys().filter(|name| uses(items, name)).collect();
    named.sort_unstable();
    for name in named {
        if module_shared[name].bytes == 0 {
            let what = format!("no shared memory of a size that the launch decides yet (`{name}`)");
            return Err(Located { line: items.first().map_or(1, |(_, line)| *line), what });
        }
        names.declare_variable(name, place(&mut shared, module_shared[name]));
    }
    for (item, line) in items {
        let wrong = |what| Located { line: *line, what };
        match item {
            Item::Open => names.open(),
            Item::Close => names.close(),
            Item::Registers(list, ty) => list.iter().for_each(|(name, count)| match count {
                Some(count) => names.declare_range(name, *count, *ty),
                None => names.declare(name, *ty),
            }),
            Item::Variable { name, variable, is_shared } => {
                let address = place(if *is_shared { &mut shared } else { &mut local }, *variable);
                names.declare_variable(name, address);
            }
            Item::Statement(statement) => {
                let guard = statement.guard.as_ref().map(|(name, is_negated)| {
                    let name = statement::Operand::Name(name.clone());
                    names.truth(&name).map(|truth| instruction::Truth { is_negated: *is_negated, ..truth })
                });
                let guard = guard.transpose().map_err(wrong)?;
                let op = decode::decode(statement, &mut names, labels).map_err(wrong)?;
                kernel.code.push(Instruction { guard, op, line: statement.line });
            }
        }
    }
    let line = items.last().map_or(1, |(_, line)| *line);
    if shared > SHARED_LIMIT || local > LOCAL_LIMIT {
        let what = format!("`{}` takes {shared} bytes of shared and {local} of local memory", kernel.name);
        return Err(Located { line, what });
    }
    // A thread that comes to the end of the text ends.
    kernel.code.push(Instruction { guard: None, op: Op::Exit, line });
    (kernel.shared, kernel.local) = (shared as u32, local as u32);
    names.finish(&mut kernel);
    Ok(kernel)
}

/// Returns whether an instruction names a variable.
fn uses(items: &[(Item, u32)], variable: &str) -> bool {
    fn names(operand: &statement::Operand, variable: &str) -> bool {
        match operand {
            statement::Operand::Name(name) => name == variable,
            statement::Operand::Address(base, _) => names(base, variable),
            statement::Operand::Vector(parts) => parts.iter().any(|part| names(part, variable)),
            _ => false,
        }
    }
    let statements = items.iter().filter_map(|(item, _)| match item {
        Item::Statement(statement) => Some(statement),
        _ => None,
    });
    statements.flat_map(|statement| &statement.operands).any(|operand| names(operand, variable))
}
