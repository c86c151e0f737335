//! PURE. Whether operations may be carried out on a cluster: the one place that says so, for the console and the shell.

use std::sync::{Arc, Mutex, PoisonError};

use crate::plan::{Code, Reason};

/// Why no operation may be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    #[default]
    Open,
    /// The configuration protects the cluster: its name unlocks it.
    Protected,
    /// It was opened for looking only.
    ReadOnly,
}

/// The lock of one open cluster. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    cluster: String,
    lock: Arc<Mutex<Lock>>,
}

impl Gate {
    pub(super) fn new(cluster: String, lock: Lock) -> Self {
        Self { cluster, lock: Arc::new(Mutex::new(lock)) }
    }

    pub(super) fn lock(&self) -> Lock {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens it for whoever knows the cluster's name. A wrong name was meant for another cluster, locked or not.
    pub(super) fn unlock(&self, name: &str) -> Result<(), Reason> {
        if name != self.cluster {
            return Err(Code::WrongName.because(format!("{name}: this cluster's name is `{}`", self.cluster)));
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Lock::Open;
        Ok(())
    }

    /// Why nothing may be done, while that is so.
    pub(super) fn bars(&self) -> Option<Reason> {
        match self.lock() {
            Lock::Open => None,
            Lock::Protected => Some(Code::Protected.because(format!("cluster {} is protected: unlock it first", self.cluster))),
            Lock::ReadOnly => Some(Code::ReadOnly.because(format!("cluster {} is open read-only: unlock it first", self.cluster))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_opens_a_cluster_and_another_name_does_not() {
        let gate = Gate::new("prod".into(), Lock::Protected);
        assert_eq!(gate.bars().map(|why| why.code), Some(Code::Protected));
        assert_eq!(gate.unlock("Prod").map_err(|why| why.code), Err(Code::WrongName));
        assert_eq!(gate.lock(), Lock::Protected);
        assert_eq!(gate.unlock("prod"), Ok(()));
        assert_eq!((gate.lock(), gate.bars()), (Lock::Open, None));
    }
}
