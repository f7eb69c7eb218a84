//! Instructions as the emulator runs them: opcodes resolved to functions, names to numbers of registers.

use crate::emulator::types::Type;
use crate::emulator::values::convert::Conversion;
use crate::emulator::values::row::{Binary, Quaternary, Ternary, Test, Unary};

/// The number of a register among a thread's; constants and special registers have numbers as well.
pub type Register = u32;

/// A register of a truth value, or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The number of the register among those of truth values.
    pub register: u32,
    /// Whether the opposite is meant.
    pub is_negated: bool,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Lanes where this does not hold do not take part.
    pub guard: Option<Truth>,
    /// What it does.
    pub op: Op,
    /// The line of the PTX it stands on.
    pub line: u32,
}

/// How f32 operands and results are treated before and after the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// `.ftz`: subnormal ones become 0.
    pub flushes: bool,
    /// `.sat`: the result is clamped to 0 to 1.
    pub saturates: bool,
}

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The device's memory.
    Global,
    /// A block's memory.
    Shared,
    /// A thread's memory.
    Local,
    /// Decided by the address.
    Generic,
}

/// An address: a register's value and an offset, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The register.
    pub base: Register,
    /// What is added.
    pub offset: i64,
}

/// A load or store: 1, 2 or 4 elements side by side.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where.
    pub space: Space,
    /// The address of the first element.
    pub address: Address,
    /// Bytes of an element.
    pub bytes: u32,
    /// The registers that are loaded or stored; none where a loaded element is dropped.
    pub registers: Vec<Option<Register>>,
    /// For a load, the bits that a negative number's sign is copied into; 0 where a number has no sign.
    pub sign_bits: u32,
    /// For a load, whether what is read must be constant while the kernel runs (`.nc`).
    pub is_constant: bool,
}

/// What an atomic operation makes of the old value and its operands.
#[derive(Clone, Copy, Debug)]
pub enum Update {
    /// A function of the old value and the operand.
    Function(Binary),
    /// The operand.
    Exchange,
    /// The second operand where the old value equals the first.
    CompareAndSwap,
    /// One more, or 0 where that exceeds the operand.
    Increment,
    /// One less, or the operand where the old value is 0 or exceeds it.
    Decrement,
}

/// How two truth values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    /// Both hold.
    And,
    /// One or both hold.
    Or,
    /// Exactly one holds.
    Xor,
}

/// Where a lane's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// `.up`: a lane below.
    Up,
    /// `.down`: a lane above.
    Down,
    /// `.bfly`: the lane whose number differs in these bits.
    Butterfly,
    /// `.idx`: the lane with this number.
    Index,
}

/// What lanes decide together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Whether all hold.
    All,
    /// Whether any holds.
    Any,
    /// Whether all agree.
    Uniform,
    /// A bit a lane.
    Ballot,
}

/// What the lanes of a warp do together.
#[derive(Clone, Debug)]
pub enum Collective {
    /// `bar.warp.sync`.
    Barrier,
    /// `shfl.sync`.
    Shuffle { mode: Shuffle, to: Register, inside: Option<u32>, value: Register, by: Register, clamp: Register },
    /// `vote.sync`; the result is a truth value, or a register for a ballot.
    Vote { mode: Vote, to: u32, of: Truth },
    /// `redux.sync`: a function over the lanes.
    Reduce { function: Binary, to: Register, value: Register },
    /// `mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32`.
    Multiply { to: [Register; 4], a: [Register; 4], b: [Register; 2], c: [Register; 4] },
    /// `ldmatrix.sync.aligned.m8n8`: one, two or four matrices of 8 × 8 16-bit elements.
    LoadMatrix { to: Vec<Register>, address: Address, transposes: bool, space: Space },
}

/// What an instruction does.
#[derive(Clone, Debug)]
pub enum Op {
    /// A function of one operand.
    Unary { function: Unary, to: Register, a: Register, modifiers: Modifiers },
    /// A function of two operands.
    Binary { function: Binary, to: Register, a: Register, b: Register, modifiers: Modifiers },
    /// A function of three operands.
    Ternary { function: Ternary, to: Register, a: Register, b: Register, c: Register, modifiers: Modifiers },
    /// A function of four operands.
    Quaternary { function: Quaternary, to: Register, a: Register, b: Register, c: Register, d: Register },
    /// An integer division or its remainder.
    Divide { function: Binary, to: Register, a: Register, b: Register },
    /// A conversion.
    Convert { conversion: Conversion, to: Register, a: Register, modifiers: Modifiers },
    /// A copy. A value that nobody wrote may be copied.
    Move { to: Register, a: Register },
    /// Several values side by side in one register, the first in the lowest bits.
    Pack { to: Register, parts: Vec<Register>, bits: u32 },
    /// The other way.
    Unpack { parts: Vec<Option<Register>>, a: Register, bits: u32 },
    /// A comparison, and its opposite; both combined with a truth value.
    Compare {
        test: Test,
        to: Option<u32>,
        opposite: Option<u32>,
        a: Register,
        b: Register,
        with: Option<(Logic, Truth)>,
        flushes: bool,
    },
    /// A function of truth values.
    Logic { logic: Logic, to: u32, a: Truth, b: Truth },
    /// A copy of a truth value or its opposite.
    MoveTruth { to: u32, a: Truth },
    /// The first value where a truth value holds, else the second.
    Select { to: Register, a: Register, b: Register, by: Truth },
    /// A kernel's argument.
    Argument { to: Register, offset: u32, bytes: u32 },
    /// A load.
    Load(Access),
    /// A store.
    Store(Access),
    /// `atom` and `red`.
    Atomic {
        update: Update,
        to: Option<Register>,
        space: Space,
        address: Address,
        bytes: u32,
        operand: Register,
        other: Option<Register>,
        /// Whether it is `.acq_rel.gpu`, and not relaxed.
        orders: bool,
    },
    /// `cp.async`: a copy from global into shared memory that has happened when it was waited for. Bytes behind the
    /// source's size become 0.
    CopyAsync { to: Address, from: Address, bytes: u32, source_bytes: Option<Register> },
    /// `cp.async.commit_group`.
    CommitCopies,
    /// `cp.async.wait_group` and `cp.async.wait_all` (none may be left, nor uncommitted ones).
    WaitCopies { left: u32, all: bool },
    /// `activemask`.
    ActiveLanes { to: Register },
    /// A jump.
    Branch { to: u32 },
    /// The thread's end.
    Exit,
    /// `bar.sync`: the block's barrier with this number.
    Barrier { number: Register },
    /// What the lanes of a warp do together.
    Collective { what: Collective, lanes: Register },
}

/// A special register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// `%tid`: the thread's place in the block, along x, y or z.
    Thread(usize),
    /// `%ntid`: the block's threads.
    Threads(usize),
    /// `%ctaid`: the block's place in the grid.
    Block(usize),
    /// `%nctaid`: the grid's blocks.
    Blocks(usize),
    /// `%laneid`.
    Lane,
    /// `%lanemask_eq`, `_lt`, `_le`, `_gt`, `_ge`: bits of lanes.
    Lanes(Relation),
}

/// Which lanes a mask names, as seen from one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The lane itself.
    Equal,
    /// Lanes below.
    Less,
    /// Lanes below, and the lane itself.
    LessOrEqual,
    /// Lanes above.
    Greater,
    /// Lanes above, and the lane itself.
    GreaterOrEqual,
}

impl Special {
    /// Returns the special register of a name.
    pub fn parse(name: &str) -> Option<Special> {
        let axis = |name: &str| ["x", "y", "z"].iter().position(|axis| *axis == name);
        Some(match name.split_once('.') {
            Some(("%tid", rest)) => Special::Thread(axis(rest)?),
            Some(("%ntid", rest)) => Special::Threads(axis(rest)?),
            Some(("%ctaid", rest)) => Special::Block(axis(rest)?),
            Some(("%nctaid", rest)) => Special::Blocks(axis(rest)?),
            _ => match name {
                "%laneid" => Special::Lane,
                "%lanemask_eq" => Special::Lanes(Relation::Equal),
                "%lanemask_lt" => Special::Lanes(Relation::Less),
                "%lanemask_le" => Special::Lanes(Relation::LessOrEqual),
                "%lanemask_gt" => Special::Lanes(Relation::Greater),
                "%lanemask_ge" => Special::Lanes(Relation::GreaterOrEqual),
                _ => return None,
            },
        })
    }
}

/// One parameter of a kernel.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name in the PTX.
    pub name: String,
    /// The type; none for an array of bytes.
    pub ty: Option<Type>,
    /// Where it begins among the arguments' bytes.
    pub offset: u32,
    /// The size.
    pub bytes: u32,
}

/// A kernel.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// The name.
    pub name: String,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// The instructions.
    pub code: Vec<Instruction>,
    /// The number of registers, constants and special registers among them.
    pub registers: u32,
    /// The number of registers of truth values.
    pub truths: u32,
    /// The register of a truth value that always holds, if one is needed.
    pub always: Option<u32>,
    /// Registers that hold a constant.
    pub constants: Vec<(Register, u64)>,
    /// Registers that hold what only a running thread knows.
    pub specials: Vec<(Register, Special)>,
    /// Bytes of shared memory.
    pub shared: u32,
    /// Bytes of a thread's local memory.
    pub local: u32,
    /// The most threads of a block (`.maxntid`), or exactly its threads (`.reqntid`) if the flag is set.
    pub threads: Option<([u32; 3], bool)>,
}
