//! What the names of a kernel stand for: registers, constants, special registers and variables.

use super::instruction::{Kernel, Register, Special, Truth};
use super::statement::Operand;
use crate::emulator::types::{Type, lowest};
use std::collections::HashMap;

/// Declarations between two braces.
#[derive(Debug, Default)]
struct Scope {
    /// Registers declared as `%r<5>`: the prefix, how many, and their type.
    ranges: HashMap<String, (u64, Type)>,
    /// Registers declared one by one.
    singles: HashMap<String, Type>,
    /// Registers that were used, with their numbers.
    used: HashMap<String, (u32, Type)>,
    /// Variables, with their addresses.
    variables: HashMap<String, u64>,
}

/// The bits that an operand must have.
#[derive(Clone, Copy, Debug)]
pub enum Width {
    /// Exactly the bits of the type.
    Same(Type),
    /// The bits of the type or more.
    AtLeast(Type),
}

impl Width {
    fn ty(self) -> Type {
        match self {
            Width::Same(ty) | Width::AtLeast(ty) => ty,
        }
    }
}

/// The names of a kernel while its instructions are read.
#[derive(Debug)]
pub struct Names {
    scopes: Vec<Scope>,
    constants: HashMap<u64, Register>,
    specials: HashMap<Special, Register>,
    registers: u32,
    truths: u32,
    always: Option<u32>,
}

impl Default for Names {
    fn default() -> Names {
        let scopes = vec![Scope::default()];
        Names { scopes, constants: HashMap::new(), specials: HashMap::new(), registers: 0, truths: 0, always: None }
    }
}

impl Names {
    /// Begins declarations of their own.
    pub fn open(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// Ends the innermost declarations.
    pub fn close(&mut self) {
        self.scopes.pop();
    }

    fn innermost(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a kernel's own scope stays")
    }

    /// Declares registers `prefix0`, `prefix1` and so on.
    pub fn declare_range(&mut self, prefix: &str, count: u64, ty: Type) {
        self.innermost().ranges.insert(prefix.to_owned(), (count, ty));
    }

    /// Declares one register.
    pub fn declare(&mut self, name: &str, ty: Type) {
        self.innermost().singles.insert(name.to_owned(), ty);
    }

    /// Declares a variable.
    pub fn declare_variable(&mut self, name: &str, address: u64) {
        self.innermost().variables.insert(name.to_owned(), address);
    }

    /// Returns a variable's address.
    pub fn variable(&self, name: &str) -> Option<u64> {
        self.scopes.iter().rev().find_map(|scope| scope.variables.get(name)).copied()
    }

    /// Gives a kernel its numbers of registers, and what is in some of them before the first instruction.
    pub fn finish(self, kernel: &mut Kernel) {
        kernel.constants = self.constants.into_iter().map(|(value, register)| (register, value)).collect();
        kernel.specials = self.specials.into_iter().map(|(special, register)| (register, special)).collect();
        kernel.constants.sort_unstable();
        kernel.specials.sort_unstable_by_key(|(register, _)| *register);
        (kernel.registers, kernel.truths, kernel.always) = (self.registers, self.truths, self.always);
    }

    /// Finds a declared register's number and type.
    fn find(&mut self, name: &str) -> Option<(u32, Type)> {
        let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, number) = name.split_at(digits);
        let number = number.parse::<u64>().ok();
        for scope in self.scopes.iter_mut().rev() {
            if let Some(&found) = scope.used.get(name) {
                return Some(found);
            }
            let in_range = scope.ranges.get(prefix).filter(|(count, _)| number.is_some_and(|number| number < *count));
            let Some(ty) = scope.singles.get(name).copied().or(in_range.map(|(_, ty)| *ty)) else { continue };
            let next = if ty == Type::Predicate { &mut self.truths } else { &mut self.registers };
            scope.used.insert(name.to_owned(), (*next, ty));
            *next += 1;
            return Some((*next - 1, ty));
        }
        None
    }

    /// Returns the register that an instruction writes.
    ///
    /// # Errors
    /// The operand is not a register of this width.
    pub fn target(&mut self, operand: &Operand, width: Width) -> Result<Register, String> {
        self.target_and_bits(operand, width).map(|(register, _)| register)
    }

    /// Returns the register that an instruction writes, and its bits.
    ///
    /// # Errors
    /// The operand is not a register of this width.
    pub fn target_and_bits(&mut self, operand: &Operand, width: Width) -> Result<(Register, u32), String> {
        let Operand::Name(name) = operand else { return Err("a result is not a register".to_owned()) };
        match self.find(name) {
            Some((register, ty)) => fits(name, ty, width).map(|()| (register, ty.bits())),
            None => Err(format!("`{name}` is not a register")),
        }
    }

    /// Returns the register that holds a constant.
    pub fn constant(&mut self, value: u64) -> Register {
        *self.constants.entry(value).or_insert_with(|| {
            self.registers += 1;
            self.registers - 1
        })
    }

    /// Returns the register that holds an operand's value.
    ///
    /// # Errors
    /// The operand is not a value of this width.
    pub fn value(&mut self, operand: &Operand, width: Width) -> Result<Register, String> {
        let ty = width.ty();
        let constant = match operand {
            Operand::Name(name) => {
                if let Some((register, ty)) = self.find(name) {
                    return fits(name, ty, width).map(|()| register);
                }
                if let Some(special) = Special::parse(name) {
                    fits(name, Type::Unsigned(32), width)?;
                    return Ok(*self.specials.entry(special).or_insert_with(|| {
                        self.registers += 1;
                        self.registers - 1
                    }));
                }
                match self.variable(name) {
                    Some(address) => address,
                    None if name == "WARP_SZ" => 32,
                    None => return Err(format!("no `{name}` yet: it is neither a register nor the kernel's variable")),
                }
            }
            Operand::Integer(number) if ty.is_integer() => lowest(*number as u64, ty.bits()),
            Operand::F32(bits) if ty == Type::F64 => f64::from(f32::from_bits(*bits)).to_bits(),
            Operand::F32(bits) if ty.bits() == 32 => u64::from(*bits),
            Operand::F64(bits) if ty == Type::F32 => u64::from((f64::from_bits(*bits) as f32).to_bits()),
            Operand::F64(bits) if ty.bits() == 64 => *bits,
            other => return Err(format!("{other:?} is not a value of this type")),
        };
        Ok(self.constant(constant))
    }

    /// Returns the truth value that an instruction writes.
    ///
    /// # Errors
    /// The operand is not a register of a truth value.
    pub fn truth_target(&mut self, operand: &Operand) -> Result<u32, String> {
        match (operand, self.truth(operand)?) {
            (Operand::Name(_), truth) => Ok(truth.register),
            _ => Err("a result is not a register".to_owned()),
        }
    }

    /// Returns an operand's truth value.
    ///
    /// # Errors
    /// The operand is not a register of a truth value.
    pub fn truth(&mut self, operand: &Operand) -> Result<Truth, String> {
        match operand {
            Operand::Not(inner) => self.truth(inner).map(|truth| Truth { is_negated: !truth.is_negated, ..truth }),
            Operand::Name(name) => match self.find(name) {
                Some((register, Type::Predicate)) => Ok(Truth { register, is_negated: false }),
                _ => Err(format!("`{name}` is not a register of type pred")),
            },
            // A constant: false is 0, true is any other number.
            Operand::Integer(number) => {
                let register = *self.always.get_or_insert_with(|| {
                    self.truths += 1;
                    self.truths - 1
                });
                Ok(Truth { register, is_negated: *number == 0 })
            }
            other => Err(format!("{other:?} is not a register of type pred")),
        }
    }
}

fn fits(name: &str, ty: Type, width: Width) -> Result<(), String> {
    let fits = ty != Type::Predicate
        && match width {
            Width::Same(wanted) => ty.bits() == wanted.bits(),
            Width::AtLeast(wanted) => ty.bits() >= wanted.bits(),
        };
    let asked = width.ty().bits();
    if fits { Ok(()) } else { Err(format!("`{name}` has {} bits, the instruction takes {asked}", ty.bits())) }
}
