//! Which processors do what.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Processors of the load and of the tunnels; `None` leaves it to the system.
pub struct Placing(Option<(CpuSet, CpuSet)>);

impl Placing {
    pub fn new(pin: bool) -> Result<Self, String> {
        if !pin {
            return Ok(Self(None));
        }
        let all = sched_getaffinity(None).map_err(|error| format!("--pin: {error}"))?;
        if all.count() < 2 {
            return Err("--pin: expected two processors or more, got one".to_owned());
        }
        let (mut load, mut tunnels) = (CpuSet::new(), CpuSet::new());
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)) {
            match load.count() {
                0 => load.set(cpu),
                _ => tunnels.set(cpu),
            }
        }
        Ok(Self(Some((load, tunnels))))
    }

    /// For this thread and those that it starts.
    pub fn load(&self) {
        self.place(|(load, _)| load);
    }

    /// For the processes that this thread starts.
    pub fn tunnels(&self) {
        self.place(|(_, tunnels)| tunnels);
    }

    fn place(&self, which: impl Fn(&(CpuSet, CpuSet)) -> &CpuSet) {
        if let Some(sets) = &self.0
            && let Err(error) = sched_setaffinity(None, which(sets))
        {
            eprintln!("--pin: {error}");
        }
    }
}
