//! Graphs: work of a stream that is captured instead of done, and then launched as one, any number of times.
//!
//! What the "CUDA Driver API" says and is relied on:
//! - The next captured work of a stream depends on the nodes that cuStreamGetCaptureInfo tells. So after the launch of a kernel
//!   that is its node. The handle is valid as long as the graph is.
//! - cuGraphLaunch: a launch comes after all work of the stream before it, and after earlier launches of the same graph.
//! - cuGraphExecKernelNodeSetParams: launches that were asked for, or run, keep the parameters that they had. The values are
//!   copied before the call returns (cuGraphAddKernelNode).
//! - cuGraphExecDestroy: a graph that runs is freed when it has ended.
//! - cuStreamEndCapture: a capture that something made invalid gives no graph.

use super::driver::Stream;
use super::module::{Kernel, pointers};
use crate::error::Error;
use cudarc::driver::sys::{CUDA_KERNEL_NODE_PARAMS_v2, CUgraph, CUgraphExec, CUgraphNode, CUstreamCaptureMode};
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// A stream that captures its work.
#[derive(Debug)]
pub(crate) struct Capture {
    stream: Arc<Stream>,
    ended: bool,
}

/// A kernel's place in a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node(CUgraphNode);

// SAFETY: a node's handle may be used by any thread, one at a time; it is used with its graph alone.
unsafe impl Send for Node {}

/// A graph and what the driver made of it to launch it.
#[derive(Debug)]
pub(crate) struct Graph {
    stream: Arc<Stream>,
    graph: CUgraph,
    /// Null until it is made.
    executable: CUgraphExec,
}

// SAFETY: graphs may be used by any thread, one at a time ("Graph object thread safety"): changes and launches lie behind the
// lock of the device's work.
unsafe impl Send for Graph {}

impl Capture {
    /// Begins. What this thread asks the driver meanwhile must not wait for the stream; other threads are free.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn begin(stream: &Arc<Stream>) -> Result<Capture, Error> {
        stream.context().enter()?;
        let (driver, mode) = (stream.driver(), CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
        // SAFETY: the stream is there as long as `stream`, and not the default one, which cannot capture.
        let code = unsafe { (driver.functions.cuStreamBeginCapture_v2)(stream.handle(), mode) };
        driver.check("cuStreamBeginCapture", code)?;
        Ok(Capture { stream: stream.clone(), ended: false })
    }

    /// Returns the node of the kernel whose launch was the last work.
    ///
    /// # Errors
    /// What the driver says; the work is not one node.
    pub(crate) fn last_node(&self) -> Result<Node, Error> {
        let driver = self.stream.driver();
        let (mut status, mut nodes, mut count) = (0u32, null(), 0);
        // SAFETY: cuStreamGetCaptureInfo writes a status of 32 bits, an address and a size_t; other pointers may be null.
        let code = unsafe {
            (driver.functions.cuStreamGetCaptureInfo_v2)(
                self.stream.handle(),
                (&raw mut status).cast(),
                null_mut(),
                null_mut(),
                &raw mut nodes,
                &raw mut count,
            )
        };
        driver.check("cuStreamGetCaptureInfo", code)?;
        if count != 1 || nodes.is_null() {
            return Err(Error::Unsupported(format!("a capture of status {status} has {count} last nodes, not one")));
        }
        // SAFETY: the array has `count` nodes, and is valid until the next call that uses the stream.
        Ok(Node(unsafe { *nodes }))
    }

    /// Ends, and makes a graph that can be launched.
    ///
    /// # Errors
    /// What the driver says; something made the capture invalid.
    pub(crate) fn end(mut self) -> Result<Graph, Error> {
        let mut graph = self.finish()?;
        let driver = self.stream.driver();
        // SAFETY: cuGraphInstantiateWithFlags writes one handle; the graph is there. Drop destroys it. No flag is set.
        let code = unsafe { (driver.functions.cuGraphInstantiateWithFlags)(&raw mut graph.executable, graph.graph, 0) };
        driver.check("cuGraphInstantiateWithFlags", code)?;
        Ok(graph)
    }

    fn finish(&mut self) -> Result<Graph, Error> {
        self.ended = true;
        let driver = self.stream.driver();
        let mut graph = Graph { stream: self.stream.clone(), graph: null_mut(), executable: null_mut() };
        // SAFETY: cuStreamEndCapture writes one handle, or null. It is called by the thread that began: `Capture` cannot be sent.
        let code = unsafe { (driver.functions.cuStreamEndCapture)(self.stream.handle(), &raw mut graph.graph) };
        driver.check("cuStreamEndCapture", code)?;
        if graph.graph.is_null() {
            return Err(Error::Unsupported(
                "cuStreamEndCapture gives no graph: something made the capture invalid".into(),
            ));
        }
        Ok(graph)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody needs the graph. An error comes again with the next call.
            let _ = self.finish();
        }
    }
}

impl Graph {
    /// Changes the arguments of a kernel's node, from the next launch on.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn set(
        &self,
        node: Node,
        kernel: Kernel,
        [x, y, z]: [u32; 3],
        [i, j, k]: [u32; 3],
        arguments: &[u64],
    ) -> Result<(), Error> {
        let mut pointers = pointers(arguments);
        let parameters = CUDA_KERNEL_NODE_PARAMS_v2 {
            func: kernel.handle(),
            gridDimX: x,
            gridDimY: y,
            gridDimZ: z,
            blockDimX: i,
            blockDimY: j,
            blockDimZ: k,
            sharedMemBytes: 0,
            kernelParams: pointers.as_mut_ptr(),
            extra: null_mut(),
            // Not read where a function is given.
            kern: null_mut(),
            ctx: null_mut(),
        };
        self.stream.context().enter()?;
        let driver = self.stream.driver();
        // SAFETY: the node is one of this graph, which is there as long as `self`. The parameters are as for a launch
        // (module.rs); the driver copies them before it returns.
        let code = unsafe {
            (driver.functions.cuGraphExecKernelNodeSetParams_v2)(self.executable, node.0, &raw const parameters)
        };
        driver.check("cuGraphExecKernelNodeSetParams", code)
    }

    /// Launches all work.
    ///
    /// # Errors
    /// What the driver says, also of work before.
    pub(crate) fn launch(&self) -> Result<(), Error> {
        self.stream.context().enter()?;
        let driver = self.stream.driver();
        // SAFETY: graph and stream are there as long as `self`. Its work was found right when it was asked for: the addresses
        // of a chunk that is alike are the same, and lie within allocations.
        let code = unsafe { (driver.functions.cuGraphLaunch)(self.executable, self.stream.handle()) };
        driver.check("cuGraphLaunch", code)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let functions = &self.stream.driver().functions;
        // Nobody can be told of an error here.
        if !self.executable.is_null() {
            // SAFETY: it was made by `end` and is destroyed once.
            let _ = unsafe { (functions.cuGraphExecDestroy)(self.executable) };
        }
        if !self.graph.is_null() {
            // SAFETY: it was made by `finish` and is destroyed once.
            let _ = unsafe { (functions.cuGraphDestroy)(self.graph) };
        }
    }
}
