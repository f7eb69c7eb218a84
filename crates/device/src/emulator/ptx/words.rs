//! The words of an opcode. What nobody took is a mode that the emulator does not know.

use crate::emulator::types::Type;
use crate::emulator::values::float::Rounding;

/// An opcode, cut at its dots.
#[derive(Debug)]
pub struct Words<'s> {
    whole: &'s str,
    head: &'s str,
    rest: Vec<&'s str>,
}

impl<'s> Words<'s> {
    /// Cuts an opcode.
    pub fn new(whole: &'s str) -> Words<'s> {
        let mut parts = whole.split('.');
        Words { whole, head: parts.next().unwrap_or_default(), rest: parts.collect() }
    }

    /// Returns the first word.
    pub fn head(&self) -> &'s str {
        self.head
    }

    /// Takes a mode, if it is there.
    pub fn takes(&mut self, word: &str) -> bool {
        let at = self.rest.iter().position(|found| *found == word);
        at.map(|at| self.rest.remove(at)).is_some()
    }

    /// Takes the first mode that is left.
    pub fn next(&mut self) -> Option<&'s str> {
        (!self.rest.is_empty()).then(|| self.rest.remove(0))
    }

    /// Takes the first type.
    ///
    /// # Errors
    /// There is none.
    pub fn ty(&mut self) -> Result<Type, String> {
        let at = self.rest.iter().position(|word| Type::parse(word).is_some());
        at.and_then(|at| Type::parse(self.rest.remove(at))).ok_or_else(|| self.unknown())
    }

    /// Takes a rounding of floats.
    pub fn rounding(&mut self) -> Option<Rounding> {
        self.one_of(["rn", "rz", "rm", "rp"])
    }

    /// Takes a rounding to whole numbers.
    pub fn whole_rounding(&mut self) -> Option<Rounding> {
        self.one_of(["rni", "rzi", "rmi", "rpi"])
    }

    fn one_of(&mut self, names: [&str; 4]) -> Option<Rounding> {
        let roundings = [Rounding::Nearest, Rounding::Zero, Rounding::Down, Rounding::Up];
        names.into_iter().zip(roundings).find(|(name, _)| self.takes(name)).map(|(_, rounding)| rounding)
    }

    /// Says that the emulator does not know the opcode.
    pub fn unknown(&self) -> String {
        format!("no `{}` yet", self.whole)
    }

    /// Checks that every mode was taken.
    ///
    /// # Errors
    /// One is left.
    pub fn finish(self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.unknown()) }
    }
}
