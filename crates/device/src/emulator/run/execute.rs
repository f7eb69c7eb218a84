//! Instructions that each lane carries out on its own registers.

use super::context::Context;
use super::warp::{LaneMistake, Warp, each, unwritten};
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::ptx::instruction::{Logic, Modifiers, Op, Register};
use crate::emulator::types::{Type, lowest};
use crate::emulator::values::float::{flush, saturate};
use crate::emulator::values::row::{LANES, Row};

impl Warp {
    /// Returns a register's lanes.
    ///
    /// # Errors
    /// One of the lanes that take part has no value.
    pub fn row(&self, register: Register, lanes: u32) -> Result<&Row, LaneMistake> {
        let unknown = lanes & !self.defined[register as usize];
        if unknown == 0 { Ok(&self.rows[register as usize]) } else { Err(unwritten(unknown)) }
    }

    /// Writes lanes of a register.
    pub fn write(&mut self, register: Register, values: &Row, lanes: u32) {
        let row = &mut self.rows[register as usize];
        if lanes == u32::MAX {
            *row = *values;
        } else {
            for lane in each(lanes) {
                row[lane as usize] = values[lane as usize];
            }
        }
        self.defined[register as usize] |= lanes;
    }

    /// Writes lanes of a truth value.
    pub fn write_truth(&mut self, register: u32, bits: u32, lanes: u32) {
        let truth = &mut self.truths[register as usize];
        *truth = *truth & !lanes | bits & lanes;
        self.truths_defined[register as usize] |= lanes;
    }

    /// Returns operands, subnormal ones as 0 where the instruction says so.
    fn operands<const N: usize>(
        &self,
        registers: [Register; N],
        modifiers: Modifiers,
        lanes: u32,
    ) -> Result<[Row; N], LaneMistake> {
        let mut rows = [[0; LANES]; N];
        for (row, register) in rows.iter_mut().zip(registers) {
            *row = *self.row(register, lanes)?;
            if modifiers.flushes {
                flush(row);
            }
        }
        Ok(rows)
    }

    fn finish(&mut self, to: Register, mut out: Row, modifiers: Modifiers, lanes: u32) {
        if modifiers.flushes {
            flush(&mut out);
        }
        if modifiers.saturates {
            saturate(&mut out);
        }
        self.write(to, &out, lanes);
    }

    /// Carries out an instruction.
    ///
    /// # Errors
    /// What is wrong, in the first lane where it is.
    pub fn execute(&mut self, op: &Op, lanes: u32, context: &mut Context<'_>) -> Result<(), LaneMistake> {
        let mut out = [0; LANES];
        let plain = Modifiers::default();
        match *op {
            Op::Unary { function, to, a, modifiers } if modifiers == plain => {
                function(self.row(a, lanes)?, &mut out);
                self.write(to, &out, lanes);
            }
            Op::Binary { function, to, a, b, modifiers } if modifiers == plain => {
                function(self.row(a, lanes)?, self.row(b, lanes)?, &mut out);
                self.write(to, &out, lanes);
            }
            Op::Ternary { function, to, a, b, c, modifiers } if modifiers == plain => {
                function(self.row(a, lanes)?, self.row(b, lanes)?, self.row(c, lanes)?, &mut out);
                self.write(to, &out, lanes);
            }
            Op::Unary { function, to, a, modifiers } => {
                let [a] = self.operands([a], modifiers, lanes)?;
                function(&a, &mut out);
                self.finish(to, out, modifiers, lanes);
            }
            Op::Binary { function, to, a, b, modifiers } => {
                let [a, b] = self.operands([a, b], modifiers, lanes)?;
                function(&a, &b, &mut out);
                self.finish(to, out, modifiers, lanes);
            }
            Op::Ternary { function, to, a, b, c, modifiers } => {
                let [a, b, c] = self.operands([a, b, c], modifiers, lanes)?;
                function(&a, &b, &c, &mut out);
                self.finish(to, out, modifiers, lanes);
            }
            Op::Quaternary { function, to, a, b, c, d } => {
                let [a, b, c, d] = self.operands([a, b, c, d], plain, lanes)?;
                function(&a, &b, &c, &d, &mut out);
                self.write(to, &out, lanes);
            }
            Op::Divide { function, to, a, b } => {
                let divisors = self.row(b, lanes)?;
                if let Some(lane) = each(lanes).find(|&lane| divisors[lane as usize] == 0) {
                    let mistake = Mistake("an integer is divided by 0".to_owned());
                    return Err(LaneMistake { lane, mistake });
                }
                function(self.row(a, lanes)?, divisors, &mut out);
                self.write(to, &out, lanes);
            }
            Op::Convert { conversion, to, a, modifiers } => {
                let flushes = modifiers.flushes && conversion.from == Type::F32;
                let [a] = self.operands([a], Modifiers { flushes, saturates: false }, lanes)?;
                conversion.convert(&a, &mut out);
                let flushes = modifiers.flushes && conversion.to == Type::F32;
                self.finish(to, out, Modifiers { flushes, ..modifiers }, lanes);
            }
            Op::Move { to, a } => {
                let row = self.rows[a as usize];
                let known = self.defined[a as usize];
                self.write(to, &row, lanes);
                self.defined[to as usize] = self.defined[to as usize] & !lanes | known & lanes;
            }
            Op::Pack { to, ref parts, bits } => {
                for (i, &part) in parts.iter().enumerate() {
                    let row = self.row(part, lanes)?;
                    out.iter_mut().zip(row).for_each(|(out, &x)| *out |= lowest(x, bits) << (bits * i as u32));
                }
                self.write(to, &out, lanes);
            }
            Op::Unpack { ref parts, a, bits } => {
                let row = *self.row(a, lanes)?;
                for (i, part) in parts.iter().enumerate() {
                    let Some(part) = part else { continue };
                    out.iter_mut().zip(&row).for_each(|(out, &x)| *out = lowest(x >> (bits * i as u32), bits));
                    self.write(*part, &out, lanes);
                }
            }
            Op::Compare { test, to, opposite, a, b, with, flushes } => {
                let bits = if flushes {
                    let [a, b] = self.operands([a, b], Modifiers { flushes, saturates: false }, lanes)?;
                    test(&a, &b)
                } else {
                    test(self.row(a, lanes)?, self.row(b, lanes)?)
                };
                let combined = |bits: u32| match with {
                    None => Ok(bits),
                    Some((logic, truth)) => Ok(combine(logic, bits, self.holding(truth, lanes)?)),
                };
                let (holds, not) = (combined(bits)?, combined(!bits)?);
                if let Some(to) = to {
                    self.write_truth(to, holds, lanes);
                }
                if let Some(to) = opposite {
                    self.write_truth(to, not, lanes);
                }
            }
            Op::Logic { logic, to, a, b } => {
                let bits = combine(logic, self.holding(a, lanes)?, self.holding(b, lanes)?);
                self.write_truth(to, bits, lanes);
            }
            Op::MoveTruth { to, a } => {
                let bits = self.holding(a, lanes)?;
                self.write_truth(to, bits, lanes);
            }
            Op::Select { to, a, b, by } => {
                let first = self.holding(by, lanes)?;
                let (a, b) = (*self.row(a, first)?, *self.row(b, lanes & !first)?);
                for lane in each(lanes) {
                    let at = lane as usize;
                    out[at] = if first >> lane & 1 == 1 { a[at] } else { b[at] };
                }
                self.write(to, &out, lanes);
            }
            Op::Argument { to, offset, bytes } => {
                let (from, bytes) = (offset as usize, bytes as usize);
                let Some(found) = context.arguments.get(from..from.saturating_add(bytes)) else {
                    let mistake = Mistake(format!("bytes {from} to {} lie behind the arguments", from + bytes));
                    return Err(LaneMistake { lane: lanes.trailing_zeros(), mistake });
                };
                let mut value = [0; 8];
                value[..bytes].copy_from_slice(found);
                self.write(to, &[u64::from_le_bytes(value); LANES], lanes);
            }
            Op::Load(ref access) => return self.load(access, lanes, context),
            Op::Store(ref access) => return self.store(access, lanes, context),
            Op::Atomic { .. } => return self.atomic(op, lanes, context),
            Op::CopyAsync { to, from, bytes, source_bytes } => {
                return self.copy_async([to, from], bytes, source_bytes, lanes, context);
            }
            Op::CommitCopies => each(lanes).for_each(|lane| self.copy_groups[lane as usize] += 1),
            Op::WaitCopies { left, all } => return self.wait_for_copies(left, all, lanes, context),
            Op::ActiveLanes { to } => self.write(to, &[lanes.into(); LANES], lanes),
            // What lanes do together, and jumps, the warp does itself.
            Op::Branch { .. } | Op::Exit | Op::Barrier { .. } | Op::Collective { .. } => {}
        }
        Ok(())
    }
}

fn combine(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
