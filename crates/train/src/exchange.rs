//! Gradients of all ranks become their sums, while backward still runs.
//!
//! A model's parameters fall into buckets, one for what each stage of its backward pass completes. A bucket makes two
//! journeys: each rank gets its part of the bucket from every rank and adds them in the order of ranks; then all ranks
//! get all sums. Each journey has a stage of backward to hide behind: while stage i computes, the gradients of stage
//! i − 1 travel to be summed, and the sums of stage i − 2 travel back. Rows of tables follow as rows when all else is
//! done, each rank's to every rank.
//!
//! The order in which ranks begin journeys is that of the buckets, whatever is complete when: MPI matches them by order.

use std::mem;
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};
use tagsmith_kernel::set_interlude;
use tagsmith_ranks::{Transfer, World};

/// Numbers in a bucket at least: smaller ones would be all latency.
const BUCKET_MIN: usize = 1 << 16;

/// The buckets of a model and the memory of one of them on each journey.
#[derive(Debug, Default)]
pub struct Exchange {
    plan: Option<Plan>,
    send: Vec<f32>,
    received: Vec<f32>,
    sums: Vec<f32>,
    gathered: Vec<f32>,
}

/// What the first step's backward taught: which slots are complete after which stage.
#[derive(Debug)]
struct Plan {
    buckets: Vec<Bucket>,
    /// How often a backward pass writes each slot.
    writes: Vec<u32>,
}

#[derive(Debug)]
struct Bucket {
    slots: Vec<SlotId>,
    /// Numbers of all of them.
    len: usize,
}

/// In a stage's place: the slot was not written.
const NEVER: u32 = u32::MAX;

/// The last backward pass of a step, whose gradients are to become all ranks'.
pub struct Reduction<'a> {
    exchange: &'a mut Exchange,
    world: &'a World,
    params: &'a Params,
    grads: &'a mut Grads,
    /// The stage that last wrote each slot.
    stages: Vec<u32>,
    stage: u32,
    /// The bucket that is to leave next.
    next: usize,
    /// Whether the bucket before it is summed and on its way back.
    returning: bool,
    /// Writes of each slot when its bucket left.
    left: Vec<(SlotId, u32)>,
}

impl Exchange {
    /// Watches a step's last backward pass over `grads`.
    pub fn begin<'a>(&'a mut self, world: &'a World, params: &'a Params, grads: &'a mut Grads) -> Reduction<'a> {
        grads.take_writes();
        let stages = vec![NEVER; params.slots.len()];
        Reduction {
            exchange: self,
            world,
            params,
            grads,
            stages,
            stage: 0,
            next: 0,
            returning: false,
            left: Vec::new(),
        }
    }

    fn buckets(&self) -> &[Bucket] {
        self.plan.as_ref().map_or(&[], |plan| &plan.buckets)
    }
}

impl Plan {
    /// The same on all ranks, whatever each of them did: that of the first rank that had a backward pass.
    fn agreed(world: &World, params: &Params, stages: &[u32], writes: &[u32]) -> Plan {
        let mine: Vec<u8> = stages.iter().chain(writes).flat_map(|number| number.to_le_bytes()).collect();
        let all = world.gather(&mine);
        let numbers = |bytes: &Vec<u8>| -> Vec<u32> {
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
        };
        let plans: Vec<Vec<u32>> = all.iter().map(numbers).collect();
        let has_any = |plan: &&Vec<u32>| plan[..stages.len()].iter().any(|&stage| stage != NEVER);
        let (stages, writes) = plans.iter().find(has_any).unwrap_or(&plans[0]).split_at(stages.len());
        Plan { buckets: buckets(params, stages), writes: writes.to_vec() }
    }
}

/// Dense slots that learn, in the order of the stages that complete them.
fn buckets(params: &Params, stages: &[u32]) -> Vec<Bucket> {
    let mut slots: Vec<usize> = (0..stages.len()).collect();
    slots.retain(|&slot| !params.slots[slot].sparse && !params.slots[slot].frozen);
    slots.sort_by_key(|&slot| stages[slot]);
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut stage = NEVER;
    for slot in slots {
        let begins = stages[slot] != stage && buckets.last().is_none_or(|bucket| bucket.len >= BUCKET_MIN);
        if begins {
            buckets.push(Bucket { slots: Vec::new(), len: 0 });
        }
        stage = stages[slot];
        let bucket = buckets.last_mut().expect("the first slot begins one");
        bucket.slots.push(SlotId(slot));
        bucket.len += params.slots[slot].len();
    }
    buckets
}

impl Stages for Reduction<'_> {
    fn run(&mut self, stage: &mut dyn FnMut(&mut Grads)) {
        let ready = self.next < self.exchange.buckets().len() && self.is_complete(self.next);
        let before = self.exchange.plan.is_none().then(|| self.grads.writes().to_vec());
        match ready {
            true => self.advance(stage),
            false => stage(self.grads),
        }
        if let Some(before) = before {
            for (slot, (was, is)) in before.iter().zip(self.grads.writes()).enumerate() {
                if was != is {
                    self.stages[slot] = self.stage;
                }
            }
        }
        self.stage += 1;
    }
}

impl Reduction<'_> {
    /// Waits for all sums. `value` is summed too.
    ///
    /// # Panics
    /// If a gradient was written after it had left.
    pub fn finish(mut self, value: f64) -> f64 {
        if self.exchange.plan.is_none() {
            self.exchange.plan = Some(Plan::agreed(self.world, self.params, &self.stages, self.grads.writes()));
        }
        for (slot, writes) in &self.left {
            let name = &self.params.slots[slot.0].name;
            assert_eq!(self.grads.writes()[slot.0], *writes, "exchange: `{name}` was written after it had left");
        }
        while self.next < self.exchange.buckets().len() || self.returning {
            self.advance(&mut |_| ());
        }
        self.rows(value)
    }

    fn is_complete(&self, bucket: usize) -> bool {
        let Some(Plan { buckets, writes }) = &self.exchange.plan else { return false };
        buckets[bucket].slots.iter().all(|slot| self.grads.writes()[slot.0] == writes[slot.0])
    }

    /// The next bucket leaves and the one before it comes back, while `work` is done.
    fn advance(&mut self, work: &mut dyn FnMut(&mut Grads)) {
        let Reduction { exchange, world, grads, next, returning, left, .. } = self;
        let Exchange { plan: Some(plan), send, received, sums, gathered } = &mut **exchange else {
            unreachable!("exchange: nothing leaves before there is a plan")
        };
        let ranks = world.size();
        let part = |bucket: usize| plan.buckets[bucket].len.div_ceil(ranks);
        let (leaving, returned) = ((*next < plan.buckets.len()).then_some(*next), returning.then(|| *next - 1));
        let mut transfers = Vec::with_capacity(2);
        if let Some(bucket) = leaving {
            send.clear();
            for &slot in &plan.buckets[bucket].slots {
                left.push((slot, grads.writes()[slot.0]));
                send.extend_from_slice(grads.dense_mut(slot));
            }
            send.resize(ranks * part(bucket), 0.0);
            received.resize(send.len(), 0.0);
            transfers.push(Transfer::Exchange { send, receive: received });
        }
        if let Some(bucket) = returned {
            gathered.resize(ranks * part(bucket), 0.0);
            transfers.push(Transfer::Gather { send: sums, receive: gathered });
        }
        world.during(transfers, || {
            set_interlude(Some(tagsmith_ranks::progress));
            work(grads);
            set_interlude(None);
        });
        if let Some(bucket) = returned {
            let mut rest = &gathered[..];
            for &slot in &plan.buckets[bucket].slots {
                let gradient = grads.dense_mut(slot);
                let (values, after) = rest.split_at(gradient.len());
                gradient.copy_from_slice(values);
                rest = after;
            }
        }
        *returning = leaving.is_some();
        if let Some(bucket) = leaving {
            *next += 1;
            sums.clear();
            sums.extend_from_slice(&received[..part(bucket)]);
            for part in received.chunks_exact(part(bucket)).skip(1) {
                sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
    }

    /// Tables' rows: all ranks' to every rank, and `value` with them.
    fn rows(&mut self, value: f64) -> f64 {
        let tables: Vec<SlotId> =
            (0..self.params.slots.len()).map(SlotId).filter(|&id| self.grads.sparse(id).is_some()).collect();
        let mut message = value.to_le_bytes().to_vec();
        for &table in &tables {
            let gradients = self.grads.rows(table).expect("the table learns");
            message.extend((gradients.rows.len() as u64).to_le_bytes());
            gradients.rows.iter().for_each(|row| message.extend(row.to_le_bytes()));
            gradients.values.iter().for_each(|value| message.extend(value.to_le_bytes()));
        }
        let messages = self.world.gather(&message);
        let mut rests: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        let sum = rests.iter_mut().map(|rest| f64::from_le_bytes(take(rest))).sum();
        for &table in &tables {
            let width = self.params.slots[table.0].shape[1];
            let mut part = |rest: &mut &[u8]| {
                let count = u64::from_le_bytes(take(rest)) as usize;
                let rows = (0..count).map(|_| u32::from_le_bytes(take(rest))).collect();
                let values = (0..count * width).map(|_| f32::from_le_bytes(take(rest))).collect();
                (rows, values)
            };
            let parts: Vec<(Vec<u32>, Vec<f32>)> = rests.iter_mut().map(&mut part).collect();
            self.grads.rows(table).expect("the table learns").set_sum(width, &parts);
        }
        sum
    }
}

/// The first N bytes of a message, which it loses.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (first, after) = mem::take(rest).split_first_chunk().expect("ranks send what they say");
    *rest = after;
    *first
}
