//! Opcodes that threads of a block or lanes of a warp carry out together.

use super::decode_memory::address;
use super::instruction::{Collective, Op, Register, Shuffle, Space, Vote};
use super::names::{Names, Width};
use super::statement::Operand;
use super::words::Words;
use crate::emulator::types::Type;
use crate::emulator::values::integer;

const WORD: Width = Width::Same(Type::Bits(32));
const FLOAT: Width = Width::Same(Type::F32);

/// All lanes of a warp, as a mask.
const ALL: u64 = 0xffff_ffff;

/// Reads an instruction that several threads carry out together.
///
/// # Errors
/// What the emulator does not know, or what is wrong with the operands.
pub fn decode(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    match words.head() {
        "bar" | "barrier" => barrier(words, operands, names),
        "activemask" if words.takes("b32") => match operands {
            [to] => Ok(Op::ActiveLanes { to: names.target(to, WORD)? }),
            _ => Err("this instruction has one operand".to_owned()),
        },
        head => {
            if !words.takes("sync") {
                return Err(words.unknown());
            }
            match head {
                "shfl" => shuffle(words, operands, names),
                "vote" => vote(words, operands, names),
                "redux" => reduction(words, operands, names),
                "mma" => product(words, operands, names),
                "ldmatrix" => matrices(words, operands, names),
                _ => Err(words.unknown()),
            }
        }
    }
}

fn barrier(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    if words.takes("warp") && words.takes("sync") {
        let [lanes] = operands else { return Err("this instruction has one operand".to_owned()) };
        return Ok(Op::Collective { what: Collective::Barrier, lanes: names.value(lanes, WORD)? });
    }
    words.takes("cta");
    let is_aligned = words.head() == "bar" || words.takes("aligned");
    match operands {
        [number] if is_aligned && words.takes("sync") => Ok(Op::Barrier { number: names.value(number, WORD)? }),
        _ => Err(words.unknown()),
    }
}

fn shuffle(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let modes = [("up", Shuffle::Up), ("down", Shuffle::Down), ("bfly", Shuffle::Butterfly), ("idx", Shuffle::Index)];
    let mode = modes.into_iter().find(|(name, _)| words.takes(name)).ok_or_else(|| words.unknown())?.1;
    if !words.takes("b32") {
        return Err(words.unknown());
    }
    let [to, value, by, clamp, lanes] = operands else { return Err("this instruction has five operands".to_owned()) };
    let (to, inside) = match to {
        Operand::Pair(to, inside) => (&**to, Some(names.truth_target(inside)?)),
        to => (to, None),
    };
    let to = names.target(to, WORD)?;
    let (value, by) = (names.value(value, WORD)?, names.value(by, WORD)?);
    let what = Collective::Shuffle { mode, to, inside, value, by, clamp: names.value(clamp, WORD)? };
    Ok(Op::Collective { what, lanes: names.value(lanes, WORD)? })
}

fn vote(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let modes = [("all", Vote::All), ("any", Vote::Any), ("uni", Vote::Uniform), ("ballot", Vote::Ballot)];
    let mode = modes.into_iter().find(|(name, _)| words.takes(name)).ok_or_else(|| words.unknown())?.1;
    let [to, of, lanes] = operands else { return Err("this instruction has three operands".to_owned()) };
    let to = match mode {
        Vote::Ballot if words.takes("b32") => names.target(to, WORD)?,
        Vote::All | Vote::Any | Vote::Uniform if words.takes("pred") => names.truth_target(to)?,
        _ => return Err(words.unknown()),
    };
    let of = names.truth(of)?;
    Ok(Op::Collective { what: Collective::Vote { mode, to, of }, lanes: names.value(lanes, WORD)? })
}

fn reduction(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let name = words.next().ok_or_else(|| words.unknown())?;
    let known = ["add", "min", "max", "and", "or", "xor"].contains(&name) && ty.is_integer() && ty.bits() == 32;
    let function = integer::binary(name, ty).filter(|_| known).ok_or_else(|| words.unknown())?;
    let [to, value, lanes] = operands else { return Err("this instruction has three operands".to_owned()) };
    let what = Collective::Reduce { function, to: names.target(to, WORD)?, value: names.value(value, WORD)? };
    Ok(Op::Collective { what, lanes: names.value(lanes, WORD)? })
}

fn product(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    for mode in ["aligned", "m16n8k16", "row", "col", "f32", "bf16", "bf16", "f32"] {
        if words.next() != Some(mode) {
            return Err(words.unknown());
        }
    }
    let [to, a, b, c] = operands else { return Err("this instruction has four operands".to_owned()) };
    let to = fragment(to, |part| names.target(part, FLOAT))?;
    let a = fragment(a, |part| names.value(part, WORD))?;
    let b = fragment(b, |part| names.value(part, WORD))?;
    let c = fragment(c, |part| names.value(part, FLOAT))?;
    Ok(Op::Collective { what: Collective::Multiply { to, a, b, c }, lanes: names.constant(ALL) })
}

/// Reads a vector of `N` registers.
fn fragment<const N: usize>(
    operand: &Operand,
    read: impl FnMut(&Operand) -> Result<Register, String>,
) -> Result<[Register; N], String> {
    let Operand::Vector(parts) = operand else { return Err("an operand is not a vector".to_owned()) };
    let registers = parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    registers.try_into().map_err(|_| format!("a vector does not have {N} registers"))
}

fn matrices(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    if !words.takes("aligned") || !words.takes("m8n8") || !words.takes("b16") {
        return Err(words.unknown());
    }
    let counts = [("x1", 1), ("x2", 2), ("x4", 4)];
    let count = counts.into_iter().find(|(name, _)| words.takes(name)).ok_or_else(|| words.unknown())?.1;
    let transposes = words.takes("trans");
    let space = if words.takes("shared") { Space::Shared } else { Space::Generic };
    let [Operand::Vector(parts), from] = operands else { return Err("the operands do not fit".to_owned()) };
    if parts.len() != count {
        return Err(format!("a vector does not have {count} registers"));
    }
    let to = parts.iter().map(|part| names.target(part, WORD)).collect::<Result<Vec<_>, _>>()?;
    let what = Collective::LoadMatrix { to, address: address(from, space, names)?, transposes, space };
    Ok(Op::Collective { what, lanes: names.constant(ALL) })
}
