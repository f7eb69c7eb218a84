//! Opcodes that reach memory.

use super::instruction::{Access, Address, Modifiers, Op, Space, Update};
use super::names::{Names, Width};
use super::statement::Operand;
use super::words::Words;
use crate::emulator::memory::space::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::emulator::types::Type;
use crate::emulator::values::float::Rounding;
use crate::emulator::values::{float, integer};

/// Reads an instruction that reaches memory.
///
/// # Errors
/// What the emulator does not know, or what is wrong with the operands.
pub fn decode(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    match (words.head(), operands) {
        ("cvta", [to, a]) => generic_address(words, to, a, names),
        ("ld", [to, address]) => load(words, to, address, names),
        ("st", [address, from]) => store(words, address, from, names),
        ("atom", [to, address, rest @ ..]) => atomic(words, Some(to), address, rest, names),
        ("red", [address, rest @ ..]) => atomic(words, None, address, rest, names),
        ("cp", _) => copy(words, operands, names),
        _ => Err("the operands do not fit this instruction".to_owned()),
    }
}

/// Reads an address in brackets.
///
/// # Errors
/// The operand is not an address.
pub fn address(operand: &Operand, space: Space, names: &mut Names) -> Result<Address, String> {
    let Operand::Address(base, offset) = operand else { return Err("an operand is not an address".to_owned()) };
    // Addresses of shared and local memory may have 32 bits.
    let width = if matches!(space, Space::Shared | Space::Local) { Type::Unsigned(32) } else { Type::Unsigned(64) };
    Ok(Address { base: names.value(base, Width::AtLeast(width))?, offset: *offset })
}

fn space(words: &mut Words<'_>) -> Space {
    let spaces = [("global", Space::Global), ("shared", Space::Shared), ("local", Space::Local)];
    spaces.into_iter().find(|(name, _)| words.takes(name)).map_or(Space::Generic, |(_, space)| space)
}

/// `cvta`: global addresses are generic ones; shared and local ones lie in windows.
fn generic_address(words: &mut Words<'_>, to: &Operand, a: &Operand, names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let (is_back, space) = (words.takes("to"), space(words));
    let wide = Type::Unsigned(64);
    if ty.bits() != 64 || space == Space::Generic {
        return Err(words.unknown());
    }
    let (to, a) = (names.target(to, Width::Same(wide))?, names.value(a, Width::Same(wide))?);
    let window = match space {
        Space::Shared => SHARED_WINDOW,
        Space::Local => LOCAL_WINDOW,
        _ => return Ok(Op::Move { to, a }),
    };
    let function = integer::binary(if is_back { "sub" } else { "add" }, wide).ok_or_else(|| words.unknown())?;
    Ok(Op::Binary { function, to, a, b: names.constant(window), modifiers: Modifiers::default() })
}

/// Takes the modes of caching, which change no value.
fn take_caching(words: &mut Words<'_>, modes: &[&str]) {
    for mode in modes {
        words.takes(mode);
    }
}

/// The most bytes of one access of a thread.
const LARGEST: u32 = 16;

fn elements<'o>(words: &mut Words<'_>, operand: &'o Operand, ty: Type) -> Result<Vec<&'o Operand>, String> {
    let count = if words.takes("v2") {
        2
    } else if words.takes("v4") {
        4
    } else {
        return Ok(vec![operand]);
    };
    if count as u32 * ty.bytes() > LARGEST {
        return Err(words.unknown());
    }
    match operand {
        Operand::Vector(parts) if parts.len() == count => Ok(parts.iter().collect()),
        _ => Err(format!("the operand is not a vector of {count}")),
    }
}

fn load(words: &mut Words<'_>, to: &Operand, from: &Operand, names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    if ty == Type::Predicate {
        return Err(words.unknown());
    }
    take_caching(words, &["weak", "ca", "cg", "cs", "lu"]);
    if words.takes("param") {
        let Operand::Address(base, offset) = from else { return Err("an operand is not an address".to_owned()) };
        let Operand::Name(name) = &**base else { return Err(words.unknown()) };
        let start = names.variable(name).ok_or_else(|| format!("`{name}` is not a parameter of the kernel"))?;
        let offset = start.checked_add_signed(*offset).and_then(|offset| u32::try_from(offset).ok());
        let offset = offset.ok_or_else(|| format!("the offset from `{name}` leads outside"))?;
        let width = if ty.is_signed() { Width::Same(ty) } else { Width::AtLeast(ty) };
        let to = names.target(to, width)?;
        return Ok(Op::Argument { to, offset, bytes: ty.bytes() });
    }
    let space = space(words);
    let is_constant = space == Space::Global && words.takes("nc");
    let (mut registers, mut bits) = (Vec::new(), 0);
    for element in elements(words, to, ty)? {
        if *element == Operand::Dropped {
            registers.push(None);
            continue;
        }
        let (register, wide) = names.target_and_bits(element, Width::AtLeast(ty))?;
        registers.push(Some(register));
        bits = wide;
    }
    // A register wider than what is loaded gets copies of the sign.
    let sign_bits = if ty.is_signed() { bits } else { 0 };
    let address = address(from, space, names)?;
    Ok(Op::Load(Access { space, address, bytes: ty.bytes(), registers, sign_bits, is_constant }))
}

fn store(words: &mut Words<'_>, to: &Operand, from: &Operand, names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    if ty == Type::Predicate {
        return Err(words.unknown());
    }
    take_caching(words, &["weak", "wb", "cg", "cs", "wt"]);
    let space = space(words);
    let mut registers = Vec::new();
    for element in elements(words, from, ty)? {
        registers.push(Some(names.value(element, Width::AtLeast(ty))?));
    }
    let address = address(to, space, names)?;
    Ok(Op::Store(Access { space, address, bytes: ty.bytes(), registers, sign_bits: 0, is_constant: false }))
}

fn atomic(
    words: &mut Words<'_>,
    to: Option<&Operand>,
    at: &Operand,
    rest: &[Operand],
    names: &mut Names,
) -> Result<Op, String> {
    let ty = words.ty()?;
    let orders = words.takes("acq_rel");
    if orders && !words.takes("gpu") {
        return Err(words.unknown());
    }
    take_caching(words, &["relaxed", "gpu", "sys"]);
    let space = space(words);
    if orders && matches!(space, Space::Shared | Space::Local) {
        return Err(words.unknown());
    }
    // An operation that is atomic within its block alone is one at all in shared memory alone.
    if space == Space::Shared {
        words.takes("cta");
    }
    let name = words.next().ok_or_else(|| words.unknown())?;
    let function = match name {
        "add" if !ty.is_integer() => float::binary(name, ty, Rounding::Nearest),
        "add" | "min" | "max" | "and" | "or" | "xor" if ty.is_integer() => integer::binary(name, ty),
        _ => None,
    };
    let update = match name {
        "exch" => Update::Exchange,
        "cas" => Update::CompareAndSwap,
        "inc" if ty == Type::Unsigned(32) => Update::Increment,
        "dec" if ty == Type::Unsigned(32) => Update::Decrement,
        _ => Update::Function(function.ok_or_else(|| words.unknown())?),
    };
    if ![32, 64].contains(&ty.bits()) || matches!(ty, Type::Bf16x2) {
        return Err(words.unknown());
    }
    let (operand, other) = match (rest, update) {
        ([operand], _) if !matches!(update, Update::CompareAndSwap) => (operand, None),
        ([operand, other], Update::CompareAndSwap) => (operand, Some(other)),
        _ => return Err("the operands do not fit this instruction".to_owned()),
    };
    let to = match to {
        None | Some(Operand::Dropped) => None,
        Some(to) => Some(names.target(to, Width::Same(ty))?),
    };
    let operand = names.value(operand, Width::Same(ty))?;
    let other = other.map(|other| names.value(other, Width::Same(ty))).transpose()?;
    let address = address(at, space, names)?;
    Ok(Op::Atomic { update, to, space, address, bytes: ty.bytes(), operand, other, orders })
}

/// `cp.async`, its groups and the waiting for them.
fn copy(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    if !words.takes("async") {
        return Err(words.unknown());
    }
    if words.takes("commit_group") {
        return Ok(Op::CommitCopies);
    }
    if words.takes("wait_all") {
        return Ok(Op::WaitCopies { left: 0, all: true });
    }
    if words.takes("wait_group") {
        let [Operand::Integer(left)] = operands else { return Err(words.unknown()) };
        return Ok(Op::WaitCopies { left: *left as u32, all: false });
    }
    let past_first_cache = words.takes("cg");
    if !(past_first_cache || words.takes("ca")) || !words.takes("shared") || !words.takes("global") {
        return Err(words.unknown());
    }
    let (to, from, bytes, source) = match operands {
        [to, from, Operand::Integer(bytes)] => (to, from, *bytes, None),
        [to, from, Operand::Integer(bytes), source] => (to, from, *bytes, Some(source)),
        _ => return Err("the operands do not fit this instruction".to_owned()),
    };
    if !(bytes == 16 || (!past_first_cache && [4, 8].contains(&bytes))) {
        return Err(format!("{bytes} bytes are not copied by this instruction"));
    }
    let source_bytes = source.map(|source| names.value(source, Width::Same(Type::Unsigned(32)))).transpose()?;
    let (to, from) = (address(to, Space::Shared, names)?, address(from, Space::Global, names)?);
    Ok(Op::CopyAsync { to, from, bytes: bytes as u32, source_bytes })
}
