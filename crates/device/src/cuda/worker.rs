//! Passes work on to the stream, in chunks: call by call, or as a graph where a like chunk was met before.
//!
//! A chunk that is met first is done call by call, which also loads what the driver and cublasLt load late. The second time the
//! same calls make a graph, if there is a place for one. From then on the graph is launched, with the chunk's own numbers.
//!
//! While a graph is made or its numbers are changed, the device does nothing. So where that fails, the chunk's calls are made
//! after all, and all later ones too. What is wrong with the device itself, those calls return.

use super::calls::driver::Stream;
use super::calls::graph::{Capture, Graph, Node};
use super::calls::module::Kernel;
use super::chunks::{Key, Known, Meeting, Queue, graphs_of};
use super::entries::{self, Parameter};
use super::products::Products;
use crate::asked::Work;
use crate::error::Error;
use crate::launch::Launch;
use crate::multiply::Multiply;
use std::collections::HashMap;
use std::sync::Arc;

/// Kernels by their names, and their parameters.
pub(super) type Kernels = HashMap<String, (Kernel, Vec<Parameter>)>;

/// Passes work on.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Queue,
    /// Chunks that were met and their graphs, or why there are none. They go before what they were made of.
    graphs: Result<Known<Captured>, Error>,
    hand: Hand,
    /// The first error of work, after which nothing is done.
    failed: Option<Error>,
}

/// What calls need.
#[derive(Debug)]
struct Hand {
    stream: Arc<Stream>,
    kernels: Kernels,
    products: Products,
}

/// A graph of a chunk.
#[derive(Debug)]
struct Captured {
    graph: Graph,
    /// The launches of our kernels: their nodes, and the arguments that these have.
    launches: Vec<(Node, Vec<u64>)>,
}

impl Worker {
    /// Has no work yet. `memory` is that of the device.
    pub(super) fn new(stream: Arc<Stream>, kernels: Kernels, products: Products, memory: u64) -> Worker {
        Worker {
            hand: Hand { stream, kernels, products },
            queue: Queue::default(),
            graphs: Ok(Known::new(graphs_of(memory))),
            failed: None,
        }
    }

    /// Returns what computes products.
    pub(super) fn products(&mut self) -> &mut Products {
        &mut self.hand.products
    }

    /// Returns why graphs are not used, if they are not.
    pub(super) fn refusal(&self) -> Option<&Error> {
        self.graphs.as_ref().err()
    }

    /// Takes a launch.
    ///
    /// # Errors
    /// There is no such kernel, or it has other parameters; what the driver says of work before.
    pub(super) fn launch(&mut self, launch: &Launch) -> Result<(), Error> {
        let name = launch.kernel;
        let Some((_, parameters)) = self.hand.kernels.get(name) else {
            return Err(Error::Fault(format!("the PTX has no kernel `{name}`")));
        };
        let fits = parameters.len() == launch.args.len()
            && parameters.iter().zip(&launch.args).all(|(parameter, argument)| parameter.takes(*argument));
        if !fits {
            return Err(Error::Fault(format!(
                "{name}: arguments {:?} do not fit parameters {parameters:?}",
                launch.args
            )));
        }
        self.take(Work::Launch(launch.clone()))
    }

    /// Takes a product, whose matrices lie within allocations.
    ///
    /// # Errors
    /// Shapes do not fit; the library has no algorithm for it; what the driver says of work before.
    pub(super) fn multiply(&mut self, multiply: &Multiply) -> Result<(), Error> {
        self.hand.products.prepare(multiply)?;
        self.take(Work::Multiply(*multiply))
    }

    /// Takes work that was checked, and passes a chunk on if one is complete.
    ///
    /// # Errors
    /// What the driver says, also of work before.
    pub(super) fn take(&mut self, work: Work) -> Result<(), Error> {
        self.check()?;
        let chunk = self.queue.push(work);
        chunk.map_or(Ok(()), |chunk| self.pass_on(&chunk))
    }

    /// Passes on what there is.
    ///
    /// # Errors
    /// What the driver says, also of work before.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.check()?;
        let chunk = self.queue.take();
        if chunk.is_empty() { Ok(()) } else { self.pass_on(&chunk) }
    }

    /// Passes on what there is, and waits until the device has done it.
    ///
    /// # Errors
    /// What the driver says, also of work before.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        // The stream is waited for in any case: memory is freed after it.
        self.flush().and(self.hand.stream.wait())
    }

    /// Lets all graphs go, and returns whether there were some. One that runs is freed when it has ended.
    pub(super) fn forget_graphs(&mut self) -> bool {
        self.graphs.as_mut().is_ok_and(Known::forget)
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn pass_on(&mut self, chunk: &[Work]) -> Result<(), Error> {
        let done = match self.graph(chunk) {
            Ok(Some(graph)) => graph.launch(),
            Ok(None) => self.hand.call_all(chunk),
            Err(refusal) => {
                self.graphs = Err(refusal);
                self.hand.call_all(chunk)
            }
        };
        done.inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Returns a graph that does a chunk, or nothing where its calls are to be made.
    fn graph(&mut self, chunk: &[Work]) -> Result<Option<&Graph>, Error> {
        let Ok(known) = &mut self.graphs else { return Ok(None) };
        let key = Key::of(chunk);
        match known.meet(&key) {
            Meeting::Pass => return Ok(None),
            Meeting::Keep => known.keep(key.clone(), self.hand.capture(chunk)?),
            Meeting::Kept => {}
        }
        let captured = known.kept(&key).expect("it is kept");
        self.hand.renew(captured, chunk)?;
        Ok(Some(&captured.graph))
    }
}

impl Hand {
    fn call_all(&mut self, chunk: &[Work]) -> Result<(), Error> {
        chunk.iter().try_for_each(|work| self.call(work))
    }

    fn call(&mut self, work: &Work) -> Result<(), Error> {
        match work {
            Work::Launch(launch) => {
                let call = self.kernel(launch).launch(&self.stream, launch.grid, launch.block, &bits(launch));
                call.map_err(|error| named(error, launch))
            }
            Work::Multiply(multiply) => self.products.compute(multiply),
            Work::Copy { from, to, bytes } => self.stream.copy(*from, *to, *bytes),
            Work::Clear { address, bytes } => self.stream.clear(*address, *bytes),
        }
    }

    /// Makes a graph of a chunk, by its calls.
    fn capture(&mut self, chunk: &[Work]) -> Result<Captured, Error> {
        let capture = Capture::begin(&self.stream)?;
        let mut launches = Vec::new();
        for work in chunk {
            self.call(work)?;
            if let Work::Launch(launch) = work {
                launches.push((capture.last_node()?, bits(launch)));
            }
        }
        Ok(Captured { graph: capture.end()?, launches })
    }

    /// Gives a graph the numbers of a chunk that is alike.
    fn renew(&self, captured: &mut Captured, chunk: &[Work]) -> Result<(), Error> {
        let launches =
            chunk.iter().filter_map(|work| if let Work::Launch(launch) = work { Some(launch) } else { None });
        for (launch, (node, arguments)) in launches.zip(&mut captured.launches) {
            let new = bits(launch);
            if *arguments != new {
                let set = captured.graph.set(*node, self.kernel(launch), launch.grid, launch.block, &new);
                set.map_err(|error| named(error, launch))?;
                *arguments = new;
            }
        }
        Ok(())
    }

    fn kernel(&self, launch: &Launch) -> Kernel {
        self.kernels[launch.kernel].0
    }
}

/// Returns the bits of a launch's arguments.
fn bits(launch: &Launch) -> Vec<u64> {
    launch.args.iter().map(|&argument| entries::bits(argument)).collect()
}

/// Names the kernel in an error of its launch.
fn named(error: Error, Launch { kernel, grid, block, .. }: &Launch) -> Error {
    match error {
        Error::Call { call, code, meaning } => {
            Error::Call { call, code, meaning: format!("{meaning}; `{kernel}`, blocks {grid:?}, threads {block:?}") }
        }
        error => error,
    }
}
