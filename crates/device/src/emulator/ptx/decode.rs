//! Opcodes and their modes: which function an instruction is, and on which registers.

use super::instruction::{Logic, Modifiers, Op, Truth};
use super::names::{Names, Width};
use super::statement::{Operand, Statement};
use super::words::Words;
use crate::emulator::types::Type;
use crate::emulator::values::convert::{Conversion, two_bf16};
use crate::emulator::values::float::Rounding;
use crate::emulator::values::{compare, float, integer};
use std::collections::HashMap;

/// Reads an instruction.
///
/// # Errors
/// What the emulator does not know, or what is wrong with the operands.
pub fn decode(statement: &Statement, names: &mut Names, labels: &HashMap<String, u32>) -> Result<Op, String> {
    let mut words = Words::new(&statement.opcode);
    let operands = &statement.operands[..];
    let op = match words.head() {
        "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" | "and" | "or" | "xor" | "shl" | "shr" | "copysign" => {
            two_operands(&mut words, operands, names)
        }
        "mad" | "fma" | "bfe" | "prmt" | "shf" => three_operands(&mut words, operands, names),
        "bfi" | "lop3" => four_operands(&mut words, operands, names),
        "neg" | "abs" | "not" | "popc" | "clz" | "brev" | "rcp" | "sqrt" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos"
        | "tanh" => one_operand(&mut words, operands, names),
        "mov" => copy(&mut words, operands, names),
        "cvt" => conversion(&mut words, operands, names),
        "setp" => comparison(&mut words, operands, names),
        "selp" => selection(&mut words, operands, names),
        "slct" => selection_by_sign(&mut words, operands, names),
        "bra" => {
            words.takes("uni");
            let [Operand::Name(label)] = operands else { return Err("a jump has one label".to_owned()) };
            let to = labels.get(label).ok_or_else(|| format!("`{label}` is not a label"))?;
            Ok(Op::Branch { to: *to })
        }
        "ret" | "exit" if operands.is_empty() => Ok(Op::Exit),
        "cvta" | "ld" | "st" | "atom" | "red" | "cp" => super::decode_memory::decode(&mut words, operands, names),
        "bar" | "barrier" | "shfl" | "vote" | "activemask" | "redux" | "mma" | "ldmatrix" => {
            super::decode_warp::decode(&mut words, operands, names)
        }
        _ => Err(words.unknown()),
    }?;
    words.finish()?;
    Ok(op)
}

fn one_operand(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a] = operands else { return Err("this instruction has two operands".to_owned()) };
    if ty == Type::Predicate && words.head() == "not" {
        let a = names.truth(a)?;
        return Ok(Op::MoveTruth { to: names.truth_target(to)?, a: Truth { is_negated: !a.is_negated, ..a } });
    }
    let mut name = words.head().to_owned();
    for mode in ["rn", "approx"] {
        if words.takes(mode) {
            name = format!("{name}.{mode}");
        }
    }
    let result = if ["popc", "clz"].contains(&words.head()) { Type::Bits(32) } else { ty };
    let modifiers = modifiers(words, ty);
    let function = float::unary(&name, ty).or_else(|| integer::unary(&name, ty)).ok_or_else(|| words.unknown())?;
    let to = names.target(to, Width::Same(result))?;
    Ok(Op::Unary { function, to, a: names.value(a, Width::Same(ty))?, modifiers })
}

fn two_operands(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a, b] = operands else { return Err("this instruction has three operands".to_owned()) };
    let head = words.head();
    if ty == Type::Predicate {
        let logic = logic(head).ok_or_else(|| words.unknown())?;
        return Ok(Op::Logic { logic, to: names.truth_target(to)?, a: names.truth(a)?, b: names.truth(b)? });
    }
    if !ty.is_integer() {
        let rounding = words.rounding();
        let mut name = head.to_owned();
        if head == "div" && rounding.is_none() && !(ty == Type::F32 && (words.takes("approx") || words.takes("full"))) {
            return Err(words.unknown());
        }
        if ["min", "max"].contains(&head) && words.takes("NaN") {
            name.push_str(".NaN");
        }
        let modifiers = modifiers(words, ty);
        let function = float::binary(&name, ty, rounding.unwrap_or(Rounding::Nearest));
        let function = function.ok_or_else(|| words.unknown())?;
        let to = names.target(to, Width::Same(ty))?;
        let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(ty))?);
        return Ok(Op::Binary { function, to, a, b, modifiers });
    }
    let (name, result) = integer_mode(words, ty)?;
    let function = integer::binary(&name, ty).ok_or_else(|| words.unknown())?;
    let by = if ["shl", "shr"].contains(&head) { Type::Unsigned(32) } else { ty };
    let to = names.target(to, Width::Same(result))?;
    let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(by))?);
    if ["div", "rem"].contains(&head) {
        return Ok(Op::Divide { function, to, a, b });
    }
    Ok(Op::Binary { function, to, a, b, modifiers: Modifiers::default() })
}

/// Reads which part of a product is meant; the type of the result follows from it.
fn integer_mode(words: &mut Words<'_>, ty: Type) -> Result<(String, Type), String> {
    let head = words.head();
    if !["mul", "mad"].contains(&head) {
        return Ok((head.to_owned(), ty));
    }
    let mode = ["lo", "hi", "wide"].into_iter().find(|mode| words.takes(mode)).ok_or_else(|| words.unknown())?;
    let result = if mode == "wide" { Type::Bits(2 * ty.bits()) } else { ty };
    Ok((format!("{head}.{mode}"), result))
}

fn three_operands(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a, b, c] = operands else { return Err("this instruction has four operands".to_owned()) };
    if !ty.is_integer() {
        let rounding = words.rounding().ok_or_else(|| words.unknown())?;
        let modifiers = modifiers(words, ty);
        let known = ["fma", "mad"].contains(&words.head());
        let function = float::ternary("fma", ty, rounding).filter(|_| known).ok_or_else(|| words.unknown())?;
        let to = names.target(to, Width::Same(ty))?;
        let mut value = |operand| names.value(operand, Width::Same(ty));
        return Ok(Op::Ternary { function, to, a: value(a)?, b: value(b)?, c: value(c)?, modifiers });
    }
    let short = Type::Unsigned(32);
    let (name, result, [tb, tc]) = match words.head() {
        "bfe" => ("bfe".to_owned(), ty, [short; 2]),
        "shf" => {
            let side = ["l", "r"].into_iter().find(|side| words.takes(side)).ok_or_else(|| words.unknown())?;
            let mode = ["wrap", "clamp"].into_iter().find(|mode| words.takes(mode)).ok_or_else(|| words.unknown())?;
            (format!("shf.{side}.{mode}"), ty, [ty, short])
        }
        _ => {
            let (name, result) = integer_mode(words, ty)?;
            (name, result, [ty, result])
        }
    };
    let function = integer::ternary(&name, ty).ok_or_else(|| words.unknown())?;
    let to = names.target(to, Width::Same(result))?;
    let (a, b, c) =
        (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(tb))?, names.value(c, Width::Same(tc))?);
    Ok(Op::Ternary { function, to, a, b, c, modifiers: Modifiers::default() })
}

fn four_operands(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a, b, c, d] = operands else { return Err("this instruction has five operands".to_owned()) };
    let function = integer::quaternary(words.head(), ty).ok_or_else(|| words.unknown())?;
    let [tc, td] = if words.head() == "bfi" { [Type::Unsigned(32); 2] } else { [ty, Type::Unsigned(32)] };
    let to = names.target(to, Width::Same(ty))?;
    let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(ty))?);
    let (c, d) = (names.value(c, Width::Same(tc))?, names.value(d, Width::Same(td))?);
    Ok(Op::Quaternary { function, to, a, b, c, d })
}

fn modifiers(words: &mut Words<'_>, ty: Type) -> Modifiers {
    if ty != Type::F32 {
        return Modifiers::default();
    }
    Modifiers { flushes: words.takes("ftz"), saturates: words.takes("sat") }
}

fn logic(name: &str) -> Option<Logic> {
    match name {
        "and" => Some(Logic::And),
        "or" => Some(Logic::Or),
        "xor" => Some(Logic::Xor),
        _ => None,
    }
}

fn copy(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a] = operands else { return Err("this instruction has two operands".to_owned()) };
    let part = |parts: &[Operand]| {
        let bits = ty.bits() / parts.len() as u32;
        if [2, 4].contains(&parts.len()) && bits >= 8 { Ok(bits) } else { Err("parts do not fit".to_owned()) }
    };
    match (to, a) {
        _ if ty == Type::Predicate => Ok(Op::MoveTruth { to: names.truth_target(to)?, a: names.truth(a)? }),
        (Operand::Vector(parts), _) => {
            let bits = part(parts)?;
            let parts = parts.iter().map(|part| match part {
                Operand::Dropped => Ok(None),
                part => names.target(part, Width::AtLeast(Type::Bits(bits))).map(Some),
            });
            let parts = parts.collect::<Result<_, _>>()?;
            Ok(Op::Unpack { parts, a: names.value(a, Width::Same(ty))?, bits })
        }
        (_, Operand::Vector(parts)) => {
            let bits = part(parts)?;
            let values = parts.iter().map(|part| names.value(part, Width::AtLeast(Type::Bits(bits))));
            let parts = values.collect::<Result<_, _>>()?;
            Ok(Op::Pack { to: names.target(to, Width::Same(ty))?, parts, bits })
        }
        _ => Ok(Op::Move { to: names.target(to, Width::Same(ty))?, a: names.value(a, Width::Same(ty))? }),
    }
}

fn conversion(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let (to_type, from) = (words.ty()?, words.ty()?);
    let rounding = words.rounding();
    let whole = words.whole_rounding();
    let is_f32 = to_type == Type::F32 || from == Type::F32;
    let flushes = is_f32 && words.takes("ftz");
    let saturates = (to_type == Type::F32 || to_type.is_integer()) && words.takes("sat");
    if let (Type::Bf16x2, Type::F32, [to, a, b]) = (to_type, from, operands) {
        let function = rounding.and_then(two_bf16).ok_or_else(|| words.unknown())?;
        let to = names.target(to, Width::Same(to_type))?;
        let (a, b) = (names.value(a, Width::Same(from))?, names.value(b, Width::Same(from))?);
        return Ok(Op::Binary { function, to, a, b, modifiers: Modifiers::default() });
    }
    let [to, a] = operands else { return Err("this instruction has two operands".to_owned()) };
    let must_round = (from.is_integer() && !to_type.is_integer())
        || (from == Type::F64 && to_type == Type::F32)
        || to_type == Type::Bf16;
    let (target, register_bits) = names.target_and_bits(to, Width::AtLeast(to_type))?;
    let conversion = Conversion {
        register_bits,
        to: to_type,
        from,
        rounding: rounding.or(whole).unwrap_or(Rounding::Nearest),
        to_whole: whole.is_some(),
        clamps: saturates && to_type.is_integer(),
    };
    if !conversion.is_known() || (must_round && rounding.is_none()) {
        return Err(words.unknown());
    }
    let modifiers = Modifiers { flushes, saturates: saturates && to_type == Type::F32 };
    Ok(Op::Convert { conversion, to: target, a: names.value(a, Width::AtLeast(from))?, modifiers })
}

fn comparison(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let with = ["and", "or", "xor"].into_iter().find(|name| words.takes(name)).and_then(logic);
    let flushes = ty == Type::F32 && words.takes("ftz");
    let name = words.next().ok_or_else(|| words.unknown())?;
    let test = compare::test(name, ty).ok_or_else(|| words.unknown())?;
    let (targets, a, b, truth) = match (operands, with) {
        ([targets, a, b], None) => (targets, a, b, None),
        ([targets, a, b, truth], Some(logic)) => (targets, a, b, Some((logic, names.truth(truth)?))),
        _ => return Err("the operands do not fit this comparison".to_owned()),
    };
    let mut target = |operand: &Operand| match operand {
        Operand::Dropped => Ok(None),
        operand => names.truth_target(operand).map(Some),
    };
    let (to, opposite) = match targets {
        Operand::Pair(first, second) => (target(first)?, target(second)?),
        first => (target(first)?, None),
    };
    let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(ty))?);
    Ok(Op::Compare { test, to, opposite, a, b, with: truth, flushes })
}

fn selection(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let ty = words.ty()?;
    let [to, a, b, by] = operands else { return Err("this instruction has four operands".to_owned()) };
    let to = names.target(to, Width::Same(ty))?;
    let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(ty))?);
    Ok(Op::Select { to, a, b, by: names.truth(by)? })
}

fn selection_by_sign(words: &mut Words<'_>, operands: &[Operand], names: &mut Names) -> Result<Op, String> {
    let (ty, sign) = (words.ty()?, words.ty()?);
    let [to, a, b, by] = operands else { return Err("this instruction has four operands".to_owned()) };
    let function = compare::by_sign(sign).ok_or_else(|| words.unknown())?;
    let to = names.target(to, Width::Same(ty))?;
    let (a, b) = (names.value(a, Width::Same(ty))?, names.value(b, Width::Same(ty))?);
    let c = names.value(by, Width::Same(sign))?;
    Ok(Op::Ternary { function, to, a, b, c, modifiers: Modifiers::default() })
}
