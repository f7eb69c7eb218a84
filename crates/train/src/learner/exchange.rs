//! The exchange of gradients: those of all ranks become their sums, while backward still runs.
//!
//! A model's parameters fall into buckets, one for what each stage of its backward pass completes. A bucket makes two
//! journeys. First each rank gets its part of the bucket from every other and adds them in the order of ranks. Then all
//! ranks get all sums, which come to where the gradients were. Each journey has a stage of backward to hide behind.
//! While stage i computes, the gradients of stage i − 1 travel to be summed, and the sums of stage i − 2 travel back.
//! Rows of tables follow as rows when all else is done, each rank's to every rank.
//!
//! The order in which ranks begin journeys is that of the buckets, whatever is complete when: messages are matched by
//! order. Parts are added where gradients lie, and travel as [`Peers`] do it.

use crate::learner::peers::Peers;
use std::mem;
use std::ops::Range;
use tagsmith_kernel::memory::messages::Message;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::ViewMut;
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};

/// Numbers in a bucket at least: smaller ones would be all latency.
const BUCKET_MIN: usize = 1 << 16;

/// The buckets of a model, and room for what other ranks send of this rank's part of a bucket.
#[derive(Debug, Default)]
pub struct Exchange {
    plan: Option<Plan>,
    received: Option<Tensor>,
}

/// Which slots are complete after which stage, as the first step's backward taught it.
#[derive(Debug)]
struct Plan {
    buckets: Vec<Bucket>,
    /// How often a backward pass writes each slot.
    writes: Vec<u32>,
}

#[derive(Debug)]
struct Bucket {
    /// Runs of slots that lie side by side, each from its first to the one behind its last.
    spans: Vec<Range<usize>>,
    /// Numbers of all of them.
    len: usize,
}

impl Bucket {
    fn slots(&self) -> impl Iterator<Item = usize> {
        self.spans.iter().cloned().flatten()
    }
}

/// Stands for the stage of a slot that was not written.
const NEVER: u32 = u32::MAX;

/// The last backward pass of a step, whose gradients become the sums of all ranks.
pub struct Reduction<'a> {
    exchange: &'a mut Exchange,
    peers: &'a dyn Peers,
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
    left: Vec<(usize, u32)>,
}

impl Exchange {
    /// Watches a step's last backward pass over `grads`.
    pub fn begin<'a>(&'a mut self, peers: &'a dyn Peers, params: &'a Params, grads: &'a mut Grads) -> Reduction<'a> {
        grads.take_writes();
        let stages = vec![NEVER; params.slots.len()];
        Reduction {
            exchange: self,
            peers,
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
    /// Returns the plan of the first rank that had a backward pass. All ranks get the same, whatever each of them did.
    fn agreed(peers: &dyn Peers, params: &Params, stages: &[u32], writes: &[u32]) -> Plan {
        let mine: Vec<u8> = stages.iter().chain(writes).flat_map(|number| number.to_le_bytes()).collect();
        let all = peers.gather(&mine);
        let numbers = |bytes: &Vec<u8>| -> Vec<u32> {
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
        };
        let plans: Vec<Vec<u32>> = all.iter().map(numbers).collect();
        let has_any = |plan: &&Vec<u32>| plan[..stages.len()].iter().any(|&stage| stage != NEVER);
        let (stages, writes) = plans.iter().find(has_any).unwrap_or(&plans[0]).split_at(stages.len());
        Plan { buckets: buckets(params, stages), writes: writes.to_vec() }
    }
}

/// Returns the buckets of dense slots that learn, in the order of the stages that complete them.
fn buckets(params: &Params, stages: &[u32]) -> Vec<Bucket> {
    let mut slots: Vec<usize> = (0..stages.len()).collect();
    slots.retain(|&slot| !params.is_table(SlotId(slot)) && !params.slots[slot].frozen);
    // Slots of one stage stay in their order.
    slots.sort_by_key(|&slot| stages[slot]);
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut stage = NEVER;
    for slot in slots {
        let begins = stages[slot] != stage && buckets.last().is_none_or(|bucket| bucket.len >= BUCKET_MIN);
        if begins {
            buckets.push(Bucket { spans: Vec::new(), len: 0 });
        }
        stage = stages[slot];
        let bucket = buckets.last_mut().expect("the first slot begins one");
        match bucket.spans.last_mut() {
            Some(span) if span.end == slot => span.end += 1,
            _ => bucket.spans.push(slot..slot + 1),
        }
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
    /// Waits for all sums. Returns the sum of all ranks' `value`.
    ///
    /// # Panics
    /// If a gradient was written after it had left.
    pub fn finish(mut self, value: f64) -> f64 {
        if self.exchange.plan.is_none() {
            self.exchange.plan = Some(Plan::agreed(self.peers, self.params, &self.stages, self.grads.writes()));
        }
        for (slot, writes) in &self.left {
            let name = &self.params.slots[*slot].name;
            assert_eq!(self.grads.writes()[*slot], *writes, "exchange: `{name}` was written after it had left");
        }
        while self.next < self.exchange.buckets().len() || self.returning {
            self.advance(&mut |_| ());
        }
        self.rows(value)
    }

    fn is_complete(&self, bucket: usize) -> bool {
        let Some(Plan { buckets, writes }) = &self.exchange.plan else { return false };
        buckets[bucket].slots().all(|slot| self.grads.writes()[slot] == writes[slot])
    }

    /// Sends the next bucket and takes back the one before it, while `work` runs.
    fn advance(&mut self, work: &mut dyn FnMut(&mut Grads)) {
        let Reduction { exchange, peers, params, grads, next, returning, left, .. } = self;
        let Exchange { plan: Some(plan), received } = &mut **exchange else {
            unreachable!("exchange: nothing leaves before there is a plan")
        };
        let of = |bucket: Option<usize>| bucket.map_or(&[][..], |bucket| &plan.buckets[bucket].spans);
        let (leaving, returned) = ((*next < plan.buckets.len()).then_some(*next), returning.then(|| *next - 1));
        if let Some(bucket) = leaving {
            left.extend(plan.buckets[bucket].slots().map(|slot| (slot, grads.writes()[slot])));
        }
        let (rank, ranks) = (peers.rank(), peers.size());
        grads.lend(&[of(leaving), of(returned)].concat(), |mut sent, grads| {
            let returned = sent.split_off(of(leaving).len());
            let own: Vec<Range<usize>> = sent.iter().map(|span| part(span.len(), rank, ranks)).collect();
            let mut received = room(received, params, (ranks - 1) * own.iter().map(Range::len).sum::<usize>());
            let mut messages = parts_to_add(&sent, received.part(0..received.len()), (rank, ranks));
            messages.extend(returned.into_iter().flat_map(|span| sums_to_know(span, (rank, ranks))));
            messages.retain(|message| match message {
                Message::To(_, floats) => !floats.is_empty(),
                Message::From(_, floats) => !floats.is_empty(),
            });
            peers.during(messages, &mut || work(grads));
            for (span, own) in sent.iter_mut().zip(own) {
                let parts = received.take((ranks - 1) * own.len());
                add_in_order(rank, span.part(own), parts);
            }
        });
        *returning = leaving.is_some();
        *next += usize::from(leaving.is_some());
    }

    /// Gives every rank the rows of tables of all ranks. Returns the sum of all ranks' `value`, which travels with them.
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
        let messages = self.peers.gather(&message);
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

/// Returns room for so many floats where gradients lie.
fn room<'r>(received: &'r mut Option<Tensor>, params: &Params, len: usize) -> ViewMut<'r> {
    if received.as_ref().is_none_or(|room| room.rows() < len) {
        *received = Some(Tensor::on(&params.device(), len, 1, &vec![0.0; len]));
    }
    received.as_mut().expect("there is room").view_mut().split_at(len).0
}

/// Floats in a cache line, which no two ranks' parts share.
const LINE: usize = 16;

/// Returns the part of one rank: all but the last have equally many floats, in whole cache lines.
fn part(len: usize, rank: usize, ranks: usize) -> Range<usize> {
    let size = len.div_ceil(ranks).next_multiple_of(LINE);
    (rank * size).min(len)..((rank + 1) * size).min(len)
}

/// Each rank gets its part of these spans from every other rank. Those of a span come one after another to `received`, in
/// the order of ranks.
fn parts_to_add<'m>(
    spans: &'m [ViewMut<'_>],
    mut received: ViewMut<'m>,
    (rank, ranks): (usize, usize),
) -> Vec<Message<'m>> {
    let mut messages = Vec::new();
    for span in spans {
        let own = part(span.len(), rank, ranks).len();
        for other in (0..ranks).filter(|&other| other != rank) {
            messages.push(Message::From(other, received.take(own)));
            messages.push(Message::To(vec![other], span.view().part(part(span.len(), other, ranks))));
        }
    }
    messages
}

/// Each rank's part of this span goes to every other rank.
fn sums_to_know(mut span: ViewMut<'_>, (rank, ranks): (usize, usize)) -> Vec<Message<'_>> {
    let len = span.len();
    let message = |of: usize| {
        let floats = span.take(part(len, of, ranks).len());
        match of == rank {
            true => Message::To((0..ranks).filter(|&other| other != rank).collect(), floats.into_view()),
            false => Message::From(of, floats),
        }
    };
    (0..ranks).map(message).collect()
}

/// Sets `own` to the sum of all ranks' parts in the order of ranks. `others` holds the other ranks' parts, one after
/// another; sums are made in it.
fn add_in_order(rank: usize, mut own: ViewMut<'_>, mut others: ViewMut<'_>) {
    let len = own.len();
    if len == 0 {
        return;
    }
    let mut before: Vec<ViewMut<'_>> = (0..others.len() / len).map(|_| others.take(len)).collect();
    let after = before.split_off(rank);
    let mut before = before.into_iter();
    if let Some(mut sum) = before.next() {
        before.for_each(|part| sum.part(0..len).add(part.view()));
        // a + b == b + a, so the sum of those before may be added to this rank's own. With three or more the order of ranks
        // decides, so a rank must not start with its own values.
        own.part(0..len).add(sum.view());
    }
    after.into_iter().for_each(|part| own.part(0..len).add(part.view()));
}

/// Takes the first N bytes off a message.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (first, after) = mem::take(rest).split_first_chunk().expect("ranks send what they say");
    *rest = after;
    *first
}
