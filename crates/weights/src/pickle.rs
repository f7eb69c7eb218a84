//! The part of Python's pickle that a file of weights needs, and nothing else.
//!
//! A pickle is a program for a stack machine that may call any function of any Python module. This machine knows eleven
//! names, all of which stand for plain data: dictionaries, kinds of numbers, and tensors over numbers that lie elsewhere.
//! Whatever else a pickle asks for is refused by its name; nothing is ever executed, because there is nothing to execute.
//!
//! Time and memory are bounded by [`STEPS_MAX`]: a step adds at most one value, all values are small and live in arenas,
//! so that neither depth nor cycles cost anything.
//!
//! # Source
//! The opcodes as `pickletools` of the Python standard library documents them; what they are used for by `torch.save`.

use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};

/// Bytes a pickle may have: a tensor takes some 200.
pub(crate) const PICKLE_BYTES_MAX: usize = 1 << 25;

/// Steps a pickle may take: a tensor needs some 45, so this is 46,000 tensors.
const STEPS_MAX: usize = 1 << 21;

/// Longest text that can be a name: names are compared again and again.
const NAME_BYTES_MAX: usize = 1 << 12;

/// More dimensions than any parameter has.
const DIMENSIONS_MAX: usize = 8;

/// Letters of a refused name that a message shows.
const SHOWN: usize = 80;

/// Numbers that lie elsewhere: `key` says where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage<'a> {
    pub key: &'a str,
    pub dtype: Dtype,
    /// How many numbers.
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

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Numbers(Dtype),
}

/// A value on the stack; whatever has parts is a place in an arena.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    /// None, a truth value, a float: nothing that weights depend on.
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
    /// The key it was under, if it was not the whole pickle.
    pub under: Option<&'a str>,
    /// Its entries that are no tensors.
    pub others: usize,
}

/// Where training programs put a model's weights among other things.
const KNOWN_KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

impl<'a> Pickle<'a> {
    /// Runs the pickle at the start of `bytes`; returns how many bytes it has, too.
    ///
    /// # Errors
    /// What it asks for and does not get, or where it is damaged.
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

    /// The state dictionary it holds: the whole of it, or under one of the known keys.
    ///
    /// # Errors
    /// It holds none.
    pub fn state(&self) -> Result<State<'a>, String> {
        let Some(Value::Dict(root)) = self.root else { return Err("it holds no dictionary of tensors".into()) };
        let whole = self.named(root, None);
        if !whole.tensors.is_empty() {
            return Ok(whole);
        }
        for key in KNOWN_KEYS {
            // Of equal keys the last counts, as in Python.
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

    /// Where numbers are looked for, by their keys.
    pub fn storages(&self) -> &BTreeMap<&'a str, Storage<'a>> {
        &self.storages
    }

    /// The texts of a list of texts.
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
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    made: Pickle<'a>,
}

impl<'a> Machine<'a> {
    /// One opcode; whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        let at = self.at;
        match self.byte()? {
            // PROTO, FRAME
            0x80 => match self.byte()? {
                0..=5 => {}
                other => return Err(format!("it is written in protocol {other}; 5 is the newest that is read")),
            },
            0x95 => _ = self.take(8)?,
            b'.' => {
                self.made.root = Some(self.pop()?);
                return Ok(true);
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            // NONE, NEWTRUE, NEWFALSE, BINFLOAT
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Plain),
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Plain);
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            b'K' => {
                let number = self.byte()?;
                self.stack.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            0x8a => {
                let length = self.byte()?.into();
                let number =
                    long(self.take(length)?).ok_or_else(|| format!("byte {at}: a number of {length} bytes"))?;
                self.stack.push(Value::Int(number));
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and the strings of Python 2
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b')' | b']' => self.sequence(Vec::new()),
            b'}' => self.dict(),
            // TUPLE1, TUPLE2, TUPLE3, TUPLE, LIST
            code @ 0x85..=0x87 => {
                let parts = self.pop_many(usize::from(code - 0x84))?;
                self.sequence(parts);
            }
            b't' | b'l' => {
                let parts = self.pop_mark()?;
                self.sequence(parts);
            }
            b'a' => {
                let part = self.pop()?;
                self.append(vec![part])?;
            }
            b'e' => {
                let parts = self.pop_mark()?;
                self.append(parts)?;
            }
            b's' => {
                let pair = self.pop_many(2)?;
                self.set(&pair)?;
            }
            b'u' => {
                let pairs = self.pop_mark()?;
                self.set(&pairs)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let place = self.byte()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let place = self.byte()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Known(known(module, name)?));
            }
            0x93 => match self.pop_many(2)?[..] {
                [Value::Text(module), Value::Text(name)] => self.stack.push(Value::Known(known(module, name)?)),
                _ => return Err(format!("byte {at}: a name that is no text")),
            },
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id).ok_or_else(|| format!("byte {at}: a reference that is no storage"))?;
                if *self.made.storages.entry(storage.key).or_insert(storage) != storage {
                    return Err(format!("byte {at}: a storage that is described in two ways"));
                }
                self.stack.push(Value::Storage(storage));
            }
            b'R' => {
                let parts = self.pop_many(2)?;
                let made = self.call(parts[0], parts[1]).map_err(|problem| format!("byte {at}: {problem}"))?;
                self.stack.push(made);
            }
            // BUILD: a module's dictionary carries versions of its parts, which change no tensor.
            b'b' => match self.pop_many(2)?[..] {
                [target @ Value::Dict(_), Value::Dict(_)] => self.stack.push(target),
                _ => return Err(format!("byte {at}: a state for something that is no dictionary")),
            },
            other => return Err(format!("byte {at}: opcode {other:#04x}, which no file of weights needs")),
        }
        Ok(false)
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
        // A string of bytes is no name of a tensor: what is not UTF-8, or longer than any name, stays nameless.
        let text = std::str::from_utf8(self.take(length)?).ok().filter(|text| text.len() <= NAME_BYTES_MAX);
        self.stack.push(text.map_or(Value::Plain, Value::Text));
        Ok(())
    }

    /// The lowest height to pop to.
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
            _ => return Err("it appends to something that is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: &[Value<'a>]) -> Result<(), String> {
        match self.stack.last() {
            Some(&Value::Dict(dict)) if pairs.len().is_multiple_of(2) => {
                self.made.dicts[dict].extend(pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err("it sets entries of something that is no dictionary".into()),
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

    /// `('storage', kind, key, device, numbers)`; older files say after it whether it is a part of another, which is not read.
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
            _ => Err("a call that makes no tensor and no dictionary".into()),
        }
    }

    /// `None` unless every element lies inside the storage.
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
        // So that whoever multiplies sizes need not look again.
        shape.iter().try_fold(8usize, |product, &n| product.checked_mul(n))?;
        if shape.contains(&0) {
            // No element has to be inside, but the offset is multiplied all the same.
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

/// A number of up to eight bytes, little end first.
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
