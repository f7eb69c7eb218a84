//! Loads, stores and atomic operations of a warp's lanes.

use super::context::{Context, Place};
use super::warp::{LaneMistake, PendingCopy, Warp, each};
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::memory::trace::{Actor, Kind};
use crate::emulator::ptx::instruction::{Access, Address, Op, Register, Space, Update};
use crate::emulator::types::{lowest, signed};
use crate::emulator::values::row::{LANES, Row};

/// The most bytes of one access of a thread.
const LARGEST: usize = 16;

impl Warp {
    /// Returns the lanes' addresses.
    ///
    /// # Errors
    /// One of the lanes that take part has no address.
    pub fn addresses(&self, address: Address, space: Space, lanes: u32) -> Result<Row, LaneMistake> {
        let mut row = *self.row(address.base, lanes)?;
        row.iter_mut().for_each(|at| *at = at.wrapping_add(address.offset as u64));
        if matches!(space, Space::Shared | Space::Local) {
            row.iter_mut().for_each(|at| *at = lowest(*at, 32));
        }
        Ok(row)
    }

    fn actor(&self, lane: u32, context: &Context<'_>) -> Actor<'_> {
        self.clocks.actor(context.clock, self.number, lane)
    }

    /// Reads bytes for a lane.
    pub fn read(
        &self,
        place: Place,
        kind: Kind,
        lane: u32,
        out: &mut [u8],
        context: &mut Context<'_>,
    ) -> Result<(), Mistake> {
        check_alignment(place, out.len())?;
        let actor = self.actor(lane, context);
        match place {
            Place::Global(at) => out.copy_from_slice(context.global(at, out.len(), kind, &actor)?),
            Place::Shared(at) => out.copy_from_slice(context.shared(at, out.len(), Kind::Read, &actor)?),
            Place::Local(at) => {
                let range = self.local_range(at, out.len(), lane, context)?;
                if self.local_written[range.clone()].contains(&false) {
                    return Err(Mistake("a read of what nobody wrote (local memory)".to_owned()));
                }
                out.copy_from_slice(&self.local[range]);
            }
        }
        Ok(())
    }

    /// Writes bytes for a lane.
    pub fn write_bytes(
        &mut self,
        place: Place,
        lane: u32,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), Mistake> {
        check_alignment(place, bytes.len())?;
        let actor = self.actor(lane, context);
        match place {
            Place::Global(at) => context.global(at, bytes.len(), Kind::Write, &actor)?.copy_from_slice(bytes),
            Place::Shared(at) => context.shared(at, bytes.len(), Kind::Write, &actor)?.copy_from_slice(bytes),
            Place::Local(at) => {
                let range = self.local_range(at, bytes.len(), lane, context)?;
                self.local_written[range.clone()].fill(true);
                self.local[range].copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn local_range(
        &self,
        at: u64,
        len: usize,
        lane: u32,
        context: &Context<'_>,
    ) -> Result<std::ops::Range<usize>, Mistake> {
        let all = context.kernel.local as usize;
        if at.checked_add(len as u64).is_none_or(|end| end > all as u64) {
            return Err(Mistake(format!(
                "{len} bytes at {at:#x} lie outside the thread's {all} bytes of local memory"
            )));
        }
        let start = lane as usize * all + at as usize;
        Ok(start..start + len)
    }

    /// Loads elements into registers.
    pub fn load(&mut self, access: &Access, lanes: u32, context: &mut Context<'_>) -> Result<(), LaneMistake> {
        let addresses = self.addresses(access.address, access.space, lanes)?;
        let (each_bytes, count) = (access.bytes as usize, access.registers.len());
        let kind = if access.is_constant { Kind::ReadConstant } else { Kind::Read };
        let mut values = [0; LARGEST];
        for lane in each(lanes) {
            let place = Place::of(access.space, addresses[lane as usize]);
            let values = &mut values[..each_bytes * count];
            self.read(place, kind, lane, values, context).map_err(|mistake| LaneMistake { lane, mistake })?;
            for (register, value) in access.registers.iter().zip(values.chunks_exact(each_bytes)) {
                let Some(register) = register else { continue };
                let mut bytes = [0; 8];
                bytes[..each_bytes].copy_from_slice(value);
                let mut value = u64::from_le_bytes(bytes);
                if access.sign_bits > 0 {
                    value = lowest(signed(value, 8 * access.bytes) as u64, access.sign_bits);
                }
                self.rows[*register as usize][lane as usize] = value;
            }
        }
        for register in access.registers.iter().flatten() {
            self.defined[*register as usize] |= lanes;
        }
        Ok(())
    }

    /// Stores registers.
    pub fn store(&mut self, access: &Access, lanes: u32, context: &mut Context<'_>) -> Result<(), LaneMistake> {
        let addresses = self.addresses(access.address, access.space, lanes)?;
        let each_bytes = access.bytes as usize;
        let registers = || access.registers.iter().flatten();
        for &register in registers() {
            self.row(register, lanes)?;
        }
        let mut values = [0; LARGEST];
        let len = each_bytes * access.registers.len();
        for lane in each(lanes) {
            for (register, value) in registers().zip(values.chunks_exact_mut(each_bytes)) {
                let row = &self.rows[*register as usize];
                value.copy_from_slice(&row[lane as usize].to_le_bytes()[..each_bytes]);
            }
            let place = Place::of(access.space, addresses[lane as usize]);
            let written = self.write_bytes(place, lane, &values[..len], context);
            written.map_err(|mistake| LaneMistake { lane, mistake })?;
        }
        Ok(())
    }

    /// Carries out an atomic operation, lane by lane from a random one on.
    pub fn atomic(&mut self, op: &Op, lanes: u32, context: &mut Context<'_>) -> Result<(), LaneMistake> {
        let &Op::Atomic { update, to, space, address, bytes, operand, other, orders } = op else { return Ok(()) };
        let addresses = self.addresses(address, space, lanes)?;
        let operands = *self.row(operand, lanes)?;
        let others = *self.row(other.unwrap_or(operand), lanes)?;
        let start = context.random.below(LANES) as u32;
        let mut before = [0; LANES];
        for lane in (0..32).map(|i| (start + i) % 32).filter(|lane| lanes >> lane & 1 == 1) {
            let at = lane as usize;
            let place = Place::of(space, addresses[at]);
            let changed = |old| apply(update, old, operands[at], others[at]);
            let old = self.exchange(place, bytes as usize, lane, changed, context);
            before[at] = old.map_err(|mistake| LaneMistake { lane, mistake })?;
            if orders {
                context.acquire_and_release(addresses[at]);
            }
        }
        if let Some(to) = to {
            self.write(to, &before, lanes);
        }
        Ok(())
    }

    fn exchange(
        &self,
        place: Place,
        len: usize,
        lane: u32,
        changed: impl Fn(u64) -> u64,
        context: &mut Context<'_>,
    ) -> Result<u64, Mistake> {
        check_alignment(place, len)?;
        let actor = self.actor(lane, context);
        let bytes = match place {
            Place::Global(at) => context.global(at, len, Kind::Atomic, &actor)?,
            Place::Shared(at) => context.shared(at, len, Kind::Atomic, &actor)?,
            Place::Local(_) => return Err(Mistake("an atomic operation on local memory".to_owned())),
        };
        let mut old = [0; 8];
        old[..len].copy_from_slice(bytes);
        let old = u64::from_le_bytes(old);
        bytes.copy_from_slice(&changed(old).to_le_bytes()[..len]);
        Ok(old)
    }

    /// Reads what `cp.async` copies; it is written when it was waited for.
    pub fn copy_async(
        &mut self,
        [to, from]: [Address; 2],
        len: u32,
        source_bytes: Option<Register>,
        lanes: u32,
        context: &mut Context<'_>,
    ) -> Result<(), LaneMistake> {
        let targets = self.addresses(to, Space::Shared, lanes)?;
        let sources = self.addresses(from, Space::Global, lanes)?;
        let sizes = match source_bytes {
            Some(register) => *self.row(register, lanes)?,
            None => [len.into(); LANES],
        };
        for lane in each(lanes) {
            let at = lane as usize;
            let located = |mistake| LaneMistake { lane, mistake };
            if sizes[at] > len.into() {
                return Err(located(Mistake(format!("`cp.async` of {len} bytes reads {}", sizes[at]))));
            }
            check_alignment(Place::Global(sources[at]), len as usize).map_err(located)?;
            check_alignment(Place::Shared(targets[at]), len as usize).map_err(located)?;
            let (mut bytes, size) = (vec![0; len as usize], sizes[at] as usize);
            // Less than the whole is read byte by byte, so that only what is read must be there.
            let step = if size == bytes.len() { size } else { 1 };
            for (i, part) in bytes[..size].chunks_mut(step).enumerate() {
                let place = Place::Global(sources[at] + (i * step) as u64);
                self.read(place, Kind::Read, lane, part, context).map_err(located)?;
            }
            self.copies.push(PendingCopy { lane, group: self.copy_groups[at], to: targets[at], bytes });
        }
        Ok(())
    }

    /// Writes what copies bring, but for the newest groups of each lane.
    pub fn wait_for_copies(
        &mut self,
        left: u32,
        all: bool,
        lanes: u32,
        context: &mut Context<'_>,
    ) -> Result<(), LaneMistake> {
        let groups = self.copy_groups;
        let is_due = |copy: &PendingCopy| {
            let closed = groups[copy.lane as usize];
            lanes >> copy.lane & 1 == 1 && (all || copy.group < closed.saturating_sub(left))
        };
        let (due, rest) = std::mem::take(&mut self.copies).into_iter().partition(is_due);
        self.copies = rest;
        for copy in due {
            let PendingCopy { lane, to, bytes, .. } = copy;
            let written = self.write_bytes(Place::Shared(to), lane, &bytes, context);
            written.map_err(|mistake| LaneMistake { lane, mistake })?;
        }
        Ok(())
    }
}

fn check_alignment(place: Place, len: usize) -> Result<(), Mistake> {
    let (Place::Global(at) | Place::Shared(at) | Place::Local(at)) = place;
    if at % len as u64 == 0 { Ok(()) } else { Err(Mistake(format!("{len} bytes at {at:#x} are misaligned"))) }
}

fn apply(update: Update, old: u64, operand: u64, other: u64) -> u64 {
    match update {
        Update::Function(function) => {
            let mut out = [0; LANES];
            function(&[old; LANES], &[operand; LANES], &mut out);
            out[0]
        }
        Update::Exchange => operand,
        Update::CompareAndSwap => {
            if old == operand {
                other
            } else {
                old
            }
        }
        Update::Increment => {
            if old >= operand {
                0
            } else {
                old + 1
            }
        }
        Update::Decrement => {
            if old == 0 || old > operand {
                operand
            } else {
                old - 1
            }
        }
    }
}
