//! Numbers: operations with their backward passes, parameters, optimizer.
