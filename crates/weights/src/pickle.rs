//! A reader of the part of Python's pickle that a file of weights needs.
//!
//! A pickle is a program for a stack machine that may call any function of any Python module. This machine knows a few
//! names, all of which stand for plain data: dictionaries, types of numbers, and tensors over numbers that lie elsewhere.
//! It refuses any other name that a pickle asks for. It executes nothing, because it has nothing to execute.
//!
//! [`STEPS_MAX`] bounds time and memory. A step adds at most one value. All values are small and live in arenas, so that
//! neither depth nor cycles cost anything.
//!
//! # Source
//! `pickletools` of the Python standard library documents the opcodes. `torch/serialization.py` shows their use.

use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};

/// The most bytes that a pickle may have. A tensor takes some 200.
pub(crate) const PICKLE_BYTES_MAX: usize = 1 << 25;

/// The most steps that a pickle may take. A tensor needs some 45, so these are enough for 46,000 tensors.
const STEPS_MAX: usize = 1 << 21;

/// The longest text that can be a name, in bytes. Names are compared again and again.
const NAME_BYTES_MAX: usize = 1 << 12;

/// The opcodes that this machine knows, as `pickletools` calls them.
mod opcode {
    pub const MARK: u8 = b'(';
    pub const STOP: u8 = b'.';
    pub const POP: u8 = b'0';
    pub const BINFLOAT: u8 = b'G';
    pub const BININT: u8 = b'J';
    pub const BININT1: u8 = b'K';
    pub const BININT2: u8 = b'M';
    pub const NONE: u8 = b'N';
    pub const BINPERSID: u8 = b'Q';
    pub const REDUCE: u8 = b'R';
    /// Python 2's strings of bytes.
    pub const BINSTRING: u8 = b'T';
    pub const SHORT_BINSTRING: u8 = b'U';
    pub const BINUNICODE: u8 = b'X';
    pub const EMPTY_LIST: u8 = b']';
    pub const APPEND: u8 = b'a';
    pub const BUILD: u8 = b'b';
    pub const GLOBAL: u8 = b'c';
    pub const APPENDS: u8 = b'e';
    pub const BINGET: u8 = b'h';
    pub const LONG_BINGET: u8 = b'j';
    pub const LIST: u8 = b'l';
    pub const BINPUT: u8 = b'q';
    pub const LONG_BINPUT: u8 = b'r';
    pub const SETITEM: u8 = b's';
    pub const TUPLE: u8 = b't';
    pub const SETITEMS: u8 = b'u';
    pub const EMPTY_DICT: u8 = b'}';
    pub const EMPTY_TUPLE: u8 = b')';
    pub const PROTO: u8 = 0x80;
    pub const TUPLE1: u8 = 0x85;
    pub const TUPLE3: u8 = 0x87;
    pub const NEWTRUE: u8 = 0x88;
    pub const NEWFALSE: u8 = 0x89;
    pub const LONG1: u8 = 0x8a;
    pub const SHORT_BINUNICODE: u8 = 0x8c;
    pub const BINUNICODE8: u8 = 0x8d;
    pub const STACK_GLOBAL: u8 = 0x93;
    pub const MEMOIZE: u8 = 0x94;
    pub const FRAME: u8 = 0x95;
}

/// The most dimensions of a tensor, more than any parameter has.
const DIMENSIONS_MAX: usize = 8;

/// How many letters of a refused name a message shows.
const SHOWN: usize = 80;

/// Numbers that lie elsewhere, under a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage<'a> {
    pub key: &'a str,
    pub dtype: Dtype,
    /// The number of numbers.
    pub len: usize,
}

/// A view of a storage: element (i, j, …) is number `offset + i · strides[0] + j · strides[1] + …`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The meaning of a name that the machine knows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Numbers(Dtype),
}

/// A value on the stack. A value that has parts is a place in an arena.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    /// None, a truth value or a float. No weight depends on it.
    Plain,
    Int(i64),
    Text(&'a str),
    Sequence(usize),
    Dict(usize),
    Known(Known),
    Storage(Storage<'a>),
    Tensor(usize),
}

/// A pickle that has run to its end.
#[derive(Debug, Default)]
pub(crate) struct Pickle<'a> {
    sequences: Vec<Vec<Value<'a>>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    tensors: Vec<View<'a>>,
    storages: BTreeMap<&'a str, Storage<'a>>,
    root: Option<Value<'a>>,
}

/// A state dictionary: tensors by name.
#[derive(Debug, Default)]
pub(crate) struct State<'a> {
    pub tensors: Vec<(&'a str, View<'a>)>,
    /// The key of the dictionary, if it is not the whole pickle.
    pub under: Option<&'a str>,
    /// The number of its entries that are not tensors.
    pub others: usize,
}

/// The keys under which training programs put a model's weights among other things.
const KNOWN_KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

impl<'a> Pickle<'a> {
    /// Runs the pickle at the start of `bytes`. Returns the number of its bytes too.
    ///
    /// # Errors
    /// The name or opcode that is refused, or the place of the damage.
    pub fn read(bytes: &'a [u8]) -> Result<(Pickle<'a>, usize), String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            made: Pickle::default(),
        };
        for _ in 0..STEPS_MAX {
            if machine.step()? {
                return Ok((machine.made, machine.at));
            }
        }
        Err(format!("it takes more than {STEPS_MAX} steps"))
    }

    /// Returns the state dictionary: the whole pickle, or the dictionary under a known key.
    ///
    /// # Errors
    /// There is no dictionary with a tensor.
    pub fn state(&self) -> Result<State<'a>, String> {
        let Some(Value::Dict(root)) = self.root else { return Err("it holds no dictionary of tensors".into()) };
        let whole = self.named(root, None);
        if !whole.tensors.is_empty() {
            return Ok(whole);
        }
        for key in KNOWN_KEYS {
            // The last of equal keys counts, as in Python.
            let inner = self.dicts[root].iter().rev().find(|(it, _)| matches!(it, Value::Text(text) if *text == key));
            if let Some((_, Value::Dict(inner))) = inner {
                let state = self.named(*inner, Some(key));
                if !state.tensors.is_empty() {
                    return Ok(state);
                }
            }
        }
        Err("it holds no dictionary of tensors, nor one under `state_dict`, `model_state_dict` or `model`".into())
    }

    /// Returns the storages that tensors use, by their keys.
    pub fn storages(&self) -> &BTreeMap<&'a str, Storage<'a>> {
        &self.storages
    }

    /// Returns the texts, if the pickle is a list of texts.
    pub fn texts(&self) -> Option<Vec<&'a str>> {
        let Some(Value::Sequence(list)) = self.root else { return None };
        let text = |value: &Value<'a>| if let Value::Text(text) = value { Some(*text) } else { None };
        self.sequences[list].iter().map(text).collect()
    }

    fn named(&self, dict: usize, under: Option<&'a str>) -> State<'a> {
        let mut state = State { under, ..State::default() };
        let mut places = HashMap::new();
        for (key, value) in &self.dicts[dict] {
            let (Value::Text(name), Value::Tensor(tensor)) = (key, value) else {
                state.others += 1;
                continue;
            };
            let view = (*name, self.tensors[*tensor].clone());
            match places.insert(*name, state.tensors.len()) {
                None => state.tensors.push(view),
                Some(earlier) => {
                    places.insert(name, earlier);
                    state.tensors[earlier] = view;
                }
            }
        }
        state
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at which a mark stands.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    made: Pickle<'a>,
}

impl<'a> Machine<'a> {
    /// Executes one opcode. Returns whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        let at = self.at;
        let code = self.byte()?;
        if code == opcode::STOP {
            self.made.root = Some(self.pop()?);
            return Ok(true);
        }
        let known = self.push_value(code, at)? || self.build_container(code)? || self.use_memo(code)?;
        match known || self.build_object(code, at)? {
            true => Ok(false),
            false => Err(format!("byte {at}: opcode {code:#04x}, which no file of weights needs")),
        }
    }

    /// Executes an opcode that frames the pickle, marks or pops the stack, or pushes a plain value. Returns whether
    /// `code` is one.
    fn push_value(&mut self, code: u8, at: usize) -> Result<bool, String> {
        match code {
            opcode::PROTO => match self.byte()? {
                0..=5 => {}
                other => return Err(format!("it is written in protocol {other}; 5 is the newest that is read")),
            },
            opcode::FRAME => _ = self.take(8)?,
            opcode::MARK => self.marks.push(self.stack.len()),
            opcode::POP => _ = self.pop()?,
            opcode::NONE | opcode::NEWTRUE | opcode::NEWFALSE => self.stack.push(Value::Plain),
            opcode::BINFLOAT => {
                self.take(8)?;
                self.stack.push(Value::Plain);
            }
            opcode::BININT => {
                let number = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            opcode::BININT1 => {
                let number = self.byte()?;
                self.stack.push(Value::Int(number.into()));
            }
            opcode::BININT2 => {
                let number = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            opcode::LONG1 => {
                let length = self.byte()?.into();
                let number =
                    long(self.take(length)?).ok_or_else(|| format!("byte {at}: a number of {length} bytes"))?;
                self.stack.push(Value::Int(number));
            }
            opcode::BINUNICODE | opcode::BINSTRING => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            opcode::SHORT_BINUNICODE | opcode::SHORT_BINSTRING => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            opcode::BINUNICODE8 => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode that makes or fills a tuple, a list or a dictionary. Returns whether `code` is one.
    fn build_container(&mut self, code: u8) -> Result<bool, String> {
        match code {
            opcode::EMPTY_TUPLE | opcode::EMPTY_LIST => self.sequence(Vec::new()),
            opcode::EMPTY_DICT => self.dict(),
            opcode::TUPLE1..=opcode::TUPLE3 => {
                let parts = self.pop_many(usize::from(code - opcode::TUPLE1) + 1)?;
                self.sequence(parts);
            }
            opcode::TUPLE | opcode::LIST => {
                let parts = self.pop_mark()?;
                self.sequence(parts);
            }
            opcode::APPEND => {
                let part = self.pop()?;
                self.append(vec![part])?;
            }
            opcode::APPENDS => {
                let parts = self.pop_mark()?;
                self.append(parts)?;
            }
            opcode::SETITEM => {
                let pair = self.pop_many(2)?;
                self.set(&pair)?;
            }
            opcode::SETITEMS => {
                let pairs = self.pop_mark()?;
                self.set(&pairs)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode that remembers or recalls a value. Returns whether `code` is one.
    fn use_memo(&mut self, code: u8) -> Result<bool, String> {
        match code {
            opcode::BINPUT => {
                let place = self.byte()?;
                self.remember(place.into())?;
            }
            opcode::LONG_BINPUT => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place)?;
            }
            opcode::MEMOIZE => self.remember(self.memo.len() as u32)?,
            opcode::BINGET => {
                let place = self.byte()?;
                self.recall(place.into())?;
            }
            opcode::LONG_BINGET => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode that names, makes or fills an object: a storage, a tensor, a dictionary. Returns whether
    /// `code` is one.
    fn build_object(&mut self, code: u8, at: usize) -> Result<bool, String> {
        match code {
            opcode::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Known(known(module, name)?));
            }
            opcode::STACK_GLOBAL => match self.pop_many(2)?[..] {
                [Value::Text(module), Value::Text(name)] => self.stack.push(Value::Known(known(module, name)?)),
                _ => return Err(format!("byte {at}: a name that is not text")),
            },
            opcode::BINPERSID => {
                let id = self.pop()?;
                let storage =
                    self.storage(id).ok_or_else(|| format!("byte {at}: a reference that is not a storage"))?;
                if *self.made.storages.entry(storage.key).or_insert(storage) != storage {
                    return Err(format!("byte {at}: a storage that is described in two ways"));
                }
                self.stack.push(Value::Storage(storage));
            }
            opcode::REDUCE => {
                let parts = self.pop_many(2)?;
                let made = self.call(parts[0], parts[1]).map_err(|problem| format!("byte {at}: {problem}"))?;
                self.stack.push(made);
            }
            // The dictionary of a module carries versions of its parts, which change no tensor.
            opcode::BUILD => match self.pop_many(2)?[..] {
                [target @ Value::Dict(_), Value::Dict(_)] => self.stack.push(target),
                _ => return Err(format!("byte {at}: a state for something that is not a dictionary")),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let taken = self.bytes[self.at..].get(..length).ok_or("it ends too early")?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("it ends too early")?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| "a name that is not UTF-8".into())
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        let length = usize::try_from(length).map_err(|_| "it ends too early")?;
        // Bytes that are not UTF-8, or longer than any name, cannot be the name of a tensor.
        let text = std::str::from_utf8(self.take(length)?).ok().filter(|text| text.len() <= NAME_BYTES_MAX);
        self.stack.push(text.map_or(Value::Plain, Value::Text));
        Ok(())
    }

    /// Returns the lowest height that the stack may be popped to.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        Ok(self.pop_many(1)?[0])
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value<'a>>, String> {
        let height = self.stack.len().checked_sub(count).filter(|&height| height >= self.floor());
        Ok(self.stack.split_off(height.ok_or("it takes more from its stack than there is")?))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let height = self.marks.pop().ok_or("it takes a mark from its stack where there is none")?;
        Ok(self.stack.split_off(height))
    }

    fn sequence(&mut self, parts: Vec<Value<'a>>) {
        self.made.sequences.push(parts);
        self.stack.push(Value::Sequence(self.made.sequences.len() - 1));
    }

    fn dict(&mut self) {
        self.made.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.made.dicts.len() - 1));
    }

    fn append(&mut self, parts: Vec<Value<'a>>) -> Result<(), String> {
        match self.stack.last() {
            Some(&Value::Sequence(list)) => self.made.sequences[list].extend(parts),
            _ => return Err("it appends to something that is not a list".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: &[Value<'a>]) -> Result<(), String> {
        match self.stack.last() {
            Some(&Value::Dict(dict)) if pairs.len().is_multiple_of(2) => {
                self.made.dicts[dict].extend(pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err("it sets entries of something that is not a dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let value = *self.stack.last().ok_or("it remembers something where there is nothing")?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        let value = *self.memo.get(&place).ok_or("it recalls something that it never remembered")?;
        self.stack.push(value);
        Ok(())
    }

    fn parts(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        if let Value::Sequence(place) = value { Some(&self.made.sequences[place]) } else { None }
    }

    /// Reads `('storage', type, key, device, numbers)`. In older files a sixth entry says whether the storage is a part of
    /// another one; only storages that are not are read.
    fn storage(&self, id: Value<'a>) -> Option<Storage<'a>> {
        match *self.parts(id)? {
            [Value::Text("storage"), Value::Known(Known::Numbers(dtype)), Value::Text(key), _, Value::Int(len)]
            | [
                Value::Text("storage"),
                Value::Known(Known::Numbers(dtype)),
                Value::Text(key),
                _,
                Value::Int(len),
                Value::Plain,
            ] => Some(Storage { key, dtype, len: usize::try_from(len).ok()? }),
            _ => None,
        }
    }

    fn call(&mut self, what: Value<'a>, with: Value<'a>) -> Result<Value<'a>, String> {
        let parts = self.parts(with).ok_or("a call without a tuple")?;
        match (what, parts) {
            (Value::Known(Known::OrderedDict), []) => {
                self.made.dicts.push(Vec::new());
                Ok(Value::Dict(self.made.dicts.len() - 1))
            }
            (Value::Known(Known::Size), [sizes @ Value::Sequence(_)]) => Ok(*sizes),
            (Value::Known(Known::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => Ok(*tensor),
            (Value::Known(Known::RebuildTensor), [Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let view = self.view(*storage, *offset, *shape, *strides);
                self.made.tensors.push(view.ok_or("a tensor that does not lie inside its storage")?);
                Ok(Value::Tensor(self.made.tensors.len() - 1))
            }
            _ => Err("a call that makes neither a tensor nor a dictionary".into()),
        }
    }

    /// Returns a view, or `None` if an element lies outside the storage.
    fn view(&self, storage: Storage<'a>, offset: i64, shape: Value<'a>, strides: Value<'a>) -> Option<View<'a>> {
        let sizes = |value: Value<'a>| -> Option<Vec<usize>> {
            let parts = self.parts(value).filter(|parts| parts.len() <= DIMENSIONS_MAX)?;
            let size = |part: &Value<'a>| if let Value::Int(n) = part { usize::try_from(*n).ok() } else { None };
            parts.iter().map(size).collect()
        };
        let (offset, shape, strides) = (usize::try_from(offset).ok()?, sizes(shape)?, sizes(strides)?);
        if shape.len() != strides.len() {
            return None;
        }
        // With this check, no caller has to fear an overflow when it multiplies sizes.
        shape.iter().try_fold(8usize, |product, &n| product.checked_mul(n))?;
        if shape.contains(&0) {
            // There is no element to be inside, but the offset is multiplied in any case.
            if offset > storage.len {
                return None;
            }
        } else {
            let reach = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |reach, (&n, &stride)| reach.checked_add((n - 1).checked_mul(stride)?))?;
            if reach >= storage.len {
                return None;
            }
        }
        Some(View { storage, offset, shape, strides })
    }
}

/// Returns a number of up to eight bytes, the lowest byte first.
fn long(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

fn known(module: &str, name: &str) -> Result<Known, String> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch", "Size") => Known::Size,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Known::RebuildParameter,
        ("torch" | "torch.cuda", kind) if kind.ends_with("Storage") => Known::Numbers(match kind {
            "DoubleStorage" => Dtype::F64,
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "CharStorage" => Dtype::I8,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::BOOL,
            _ => return Err(foreign(module, name)),
        }),
        _ => return Err(foreign(module, name)),
    })
}

fn foreign(module: &str, name: &str) -> String {
    let shown: String = format!("{module}.{name}").chars().flat_map(char::escape_debug).take(SHOWN).collect();
    format!("it asks for Python's `{shown}`, which is neither a tensor nor a dictionary: nothing of it was executed")
}
