//! Types of PTX: how many bits a value has, and what they mean.

/// A type of the PTX ISA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Bits without a meaning: 8, 16, 32 or 64.
    Bits(u32),
    /// An integer without sign.
    Unsigned(u32),
    /// An integer in two's complement.
    Signed(u32),
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
    /// bfloat16.
    Bf16,
    /// Two bfloat16 in 32 bits.
    Bf16x2,
    /// A truth value.
    Predicate,
}

impl Type {
    /// Returns the type that a word of an opcode or a declaration names, without its dot.
    pub fn parse(word: &str) -> Option<Type> {
        Some(match word {
            "pred" => Type::Predicate,
            "f32" => Type::F32,
            "f64" => Type::F64,
            "bf16" => Type::Bf16,
            "bf16x2" => Type::Bf16x2,
            _ => {
                let bits = match word.get(1..)? {
                    "8" => 8,
                    "16" => 16,
                    "32" => 32,
                    "64" => 64,
                    _ => return None,
                };
                match word.as_bytes()[0] {
                    b'b' => Type::Bits(bits),
                    b'u' => Type::Unsigned(bits),
                    b's' => Type::Signed(bits),
                    _ => return None,
                }
            }
        })
    }

    /// Returns the bits of a value; 1 for a truth value.
    pub fn bits(self) -> u32 {
        match self {
            Type::Bits(bits) | Type::Unsigned(bits) | Type::Signed(bits) => bits,
            Type::Bf16 => 16,
            Type::F32 | Type::Bf16x2 => 32,
            Type::F64 => 64,
            Type::Predicate => 1,
        }
    }

    /// Returns the bytes of a value in memory.
    pub fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// Returns whether values are numbers in two's complement.
    pub fn is_signed(self) -> bool {
        matches!(self, Type::Signed(_))
    }

    /// Returns whether values are integers or bits.
    pub fn is_integer(self) -> bool {
        matches!(self, Type::Bits(_) | Type::Unsigned(_) | Type::Signed(_))
    }
}

/// Returns the number that a value's lowest bits are in two's complement.
pub fn signed(value: u64, bits: u32) -> i64 {
    let unused = 64 - bits;
    (value << unused) as i64 >> unused
}

/// Returns a value's lowest bits, the others 0.
pub fn lowest(value: u64, bits: u32) -> u64 {
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}
