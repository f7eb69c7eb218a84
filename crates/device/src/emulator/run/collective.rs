//! What the lanes of a warp do together.

use super::context::{Context, Place};
use super::warp::{Group, LaneMistake, Waiting, Warp, each, unwritten};
use crate::Error;
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::memory::trace::Kind;
use crate::emulator::ptx::instruction::{Address, Collective, Op, Register, Shuffle, Space, Vote};
use crate::emulator::values::float::{bf16_to_f32, f32_of, register_of};
use crate::emulator::values::row::{Binary, LANES, Row};

impl Warp {
    /// Brings lanes to where they meet those that the instruction names. If all are there, they act and go on. Returns
    /// the lanes that need not wait.
    ///
    /// # Errors
    /// A fault that was found.
    pub fn meet(
        &mut self,
        what: &Collective,
        named: Register,
        group: Group,
        line: u32,
        context: &mut Context<'_>,
    ) -> Result<u32, Error> {
        let located = |warp: &Warp, mistake, context: &Context<'_>| warp.fault(mistake, line, context);
        let masks = *self.row(named, group.lanes).map_err(|mistake| located(self, mistake, context))?;
        let mask_of = |lane: u32| masks[lane as usize] as u32;
        let (mut left, mut free) = (group.lanes, 0);
        while left != 0 {
            let mask = mask_of(left.trailing_zeros());
            let same = each(left).filter(|&lane| mask_of(lane) == mask).fold(0, |lanes, lane| lanes | 1 << lane);
            left &= !same;
            if let Some(lane) = each(same & !mask).next() {
                let mistake = Mistake(format!("the instruction names lanes {mask:#010x}, without the thread's own"));
                return Err(located(self, LaneMistake { lane, mistake }, context));
            }
            let gone = mask & (self.ended | !self.lanes);
            if gone != 0 {
                let gone_lane = gone.trailing_zeros();
                let why = if self.lanes >> gone_lane & 1 == 1 { "ended" } else { "is not a thread of the block" };
                let mistake = Mistake(format!("lane {gone_lane} of the warp is named and {why}"));
                return Err(located(self, LaneMistake { lane: same.trailing_zeros(), mistake }, context));
            }
            let waits = |other: &Waiting| other.group.at == group.at && other.named == mask;
            let before = self.waiting.iter().position(waits).map(|at| self.waiting.swap_remove(at));
            let here = before.map_or(0, |waiting| waiting.group.lanes) | same;
            if here == mask {
                self.act(what, mask, context).map_err(|mistake| located(self, mistake, context))?;
                free |= same;
                if here != same {
                    self.put(Group { at: group.at + 1, lanes: here & !same });
                }
            } else {
                self.waiting.push(Waiting { group: Group { at: group.at, lanes: here }, named: mask });
            }
        }
        Ok(free)
    }

    fn act(&mut self, what: &Collective, lanes: u32, context: &mut Context<'_>) -> Result<(), LaneMistake> {
        match *what {
            Collective::Barrier => {
                let met = self.clocks.meet(lanes, self.lanes);
                met.map_err(|mistake| LaneMistake { lane: lanes.trailing_zeros(), mistake })
            }
            Collective::Shuffle { mode, to, inside, value, by, clamp } => {
                self.shuffle(mode, [to, value, by, clamp], inside, lanes)
            }
            Collective::Vote { mode, to, of } => {
                let holding = self.holding(of, lanes)?;
                let all = |holds: bool| if holds { u32::MAX } else { 0 };
                match mode {
                    Vote::All => self.write_truth(to, all(holding == lanes), lanes),
                    Vote::Any => self.write_truth(to, all(holding != 0), lanes),
                    Vote::Uniform => self.write_truth(to, all(holding == 0 || holding == lanes), lanes),
                    Vote::Ballot => self.write(to, &[holding.into(); LANES], lanes),
                }
                Ok(())
            }
            Collective::Reduce { function, to, value } => self.reduce(function, to, value, lanes),
            Collective::Multiply { to, a, b, c } => self.multiply(to, a, b, c, lanes),
            Collective::LoadMatrix { ref to, address, transposes, space } => {
                self.load_matrix(to, address, space, transposes, lanes, context)
            }
        }
    }

    /// `shfl.sync`, by the ISA's own description of it.
    fn shuffle(
        &mut self,
        mode: Shuffle,
        [to, value, by, clamp]: [Register; 4],
        inside: Option<u32>,
        lanes: u32,
    ) -> Result<(), LaneMistake> {
        let (values, known) = (self.rows[value as usize], self.defined[value as usize]);
        let (by, clamps) = (*self.row(by, lanes)?, *self.row(clamp, lanes)?);
        let (mut out, mut within) = ([0; LANES], 0);
        for lane in each(lanes) {
            let at = lane as usize;
            let (own, b, c) = (lane as i64, (by[at] & 31) as i64, (clamps[at] & 31) as i64);
            let segment = (clamps[at] >> 8 & 31) as i64;
            let highest = own & segment | c & !segment;
            let lowest = own & segment;
            let (source, fits) = match mode {
                Shuffle::Up => (own - b, own - b >= highest),
                Shuffle::Down => (own + b, own + b <= highest),
                Shuffle::Butterfly => (own ^ b, own ^ b <= highest),
                Shuffle::Index => {
                    let source = lowest | b & !segment;
                    (source, source <= highest)
                }
            };
            let source = if fits { source as u32 } else { lane };
            if lanes >> source & 1 == 0 {
                let mistake = Mistake(format!("a read from lane {source}, which the instruction does not name"));
                return Err(LaneMistake { lane, mistake });
            }
            if known >> source & 1 == 0 {
                return Err(unwritten(1 << source));
            }
            out[at] = values[source as usize];
            within |= u32::from(fits) << lane;
        }
        self.write(to, &out, lanes);
        if let Some(inside) = inside {
            self.write_truth(inside, within, lanes);
        }
        Ok(())
    }

    fn reduce(&mut self, function: Binary, to: Register, value: Register, lanes: u32) -> Result<(), LaneMistake> {
        let values = *self.row(value, lanes)?;
        let combined = each(lanes).map(|lane| values[lane as usize]).reduce(|all, value| {
            let mut out = [0; LANES];
            function(&[all; LANES], &[value; LANES], &mut out);
            out[0]
        });
        self.write(to, &[combined.unwrap_or_default(); LANES], lanes);
        Ok(())
    }

    /// D = A · B + C of 16 × 16 times 16 × 8, each element summed in f64 and rounded once. The layout of the fragments
    /// is the ISA's, "Matrix Fragments for mma.m16n8k16 with floating point type".
    fn multiply(
        &mut self,
        to: [Register; 4],
        a: [Register; 4],
        b: [Register; 2],
        c: [Register; 4],
        lanes: u32,
    ) -> Result<(), LaneMistake> {
        let (mut left, mut right) = ([[0f32; 16]; 16], [[0f32; 16]; 8]);
        let halves = |word: u64| [bf16_to_f32(word & 0xffff), bf16_to_f32(word >> 16)];
        for (i, &register) in a.iter().enumerate() {
            for (lane, &word) in self.row(register, lanes)?.iter().enumerate() {
                let (row, column) = (lane / 4 + i % 2 * 8, lane % 4 * 2 + i / 2 * 8);
                left[row][column..column + 2].copy_from_slice(&halves(word));
            }
        }
        for (i, &register) in b.iter().enumerate() {
            for (lane, &word) in self.row(register, lanes)?.iter().enumerate() {
                let (row, column) = (lane % 4 * 2 + i * 8, lane / 4);
                right[column][row..row + 2].copy_from_slice(&halves(word));
            }
        }
        let mut results = [[0; LANES]; 4];
        for (i, result) in results.iter_mut().enumerate() {
            let addends = self.row(c[i], lanes)?;
            for (lane, (out, &addend)) in result.iter_mut().zip(addends).enumerate() {
                let (row, column) = (lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
                let terms = left[row].iter().zip(&right[column]).map(|(x, y)| f64::from(*x) * f64::from(*y));
                let sum: f64 = terms.sum();
                *out = register_of((f64::from(f32_of(addend)) + sum) as f32);
            }
        }
        for (register, result) in to.iter().zip(&results) {
            self.write(*register, result, lanes);
        }
        Ok(())
    }

    /// `ldmatrix`: lanes 8 · i to 8 · i + 7 give the addresses of the rows of matrix i.
    fn load_matrix(
        &mut self,
        to: &[Register],
        address: Address,
        space: Space,
        transposes: bool,
        lanes: u32,
        context: &mut Context<'_>,
    ) -> Result<(), LaneMistake> {
        let count = to.len();
        let giving = u32::MAX >> (32 - 8 * count as u32);
        let addresses = self.addresses(address, space, giving)?;
        let mut rows = [[0u8; 16]; 32];
        for lane in each(giving) {
            let place = Place::of(space, addresses[lane as usize]);
            let located = |mistake| LaneMistake { lane, mistake };
            if !matches!(place, Place::Shared(_)) {
                return Err(located(Mistake("`ldmatrix` reads shared memory only".to_owned())));
            }
            self.read(place, Kind::Read, lane, &mut rows[lane as usize], context).map_err(located)?;
        }
        for (i, &register) in to.iter().enumerate() {
            let matrix = &rows[8 * i..8 * i + 8];
            let element = |row: usize, column: usize| {
                u64::from(u16::from_le_bytes([matrix[row][2 * column], matrix[row][2 * column + 1]]))
            };
            let out: Row = std::array::from_fn(|lane| {
                let (row, column) = (lane / 4, lane % 4 * 2);
                if transposes {
                    element(column, row) | element(column + 1, row) << 16
                } else {
                    element(row, column) | element(row, column + 1) << 16
                }
            });
            self.write(register, &out, lanes);
        }
        Ok(())
    }

    /// Says why lanes of this warp never meet.
    pub fn stuck(&self, context: &Context<'_>) -> Option<Error> {
        let waiting = self.waiting.first()?;
        let line_of = |at: u32| context.kernel.code[at as usize].line;
        let missing = waiting.named & !waiting.group.lanes;
        let lane = missing.trailing_zeros();
        let other = self.waiting.iter().find(|other| other.group.lanes >> lane & 1 == 1);
        let barrier = self.at_barrier.iter().find(|group| group.lanes >> lane & 1 == 1);
        let where_it_is = match (other, barrier) {
            (Some(other), _) => format!("waits at line {}", line_of(other.group.at)),
            (_, Some(group)) => format!("waits at the block's barrier in line {}", line_of(group.at)),
            _ => "ended".to_owned(),
        };
        let what = match context.kernel.code[waiting.group.at as usize].op {
            Op::Collective { what: Collective::Barrier, .. } => "barrier of a warp",
            _ => "operation of a warp",
        };
        let mistake = Mistake(format!("the {what} names lane {lane}, which {where_it_is}"));
        let first = waiting.group.lanes.trailing_zeros();
        Some(self.fault(LaneMistake { lane: first, mistake }, line_of(waiting.group.at), context))
    }
}
