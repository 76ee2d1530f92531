//! The `parallel` strategy: a dial for each node of a hop. The first whose node is ready goes on to the
//! target; the others are given up before they ask for it.

use std::time::Duration;

use super::dial::{Dial, Purpose, RACING};
use super::link::Top;
use super::pick::{Picked, Rivals, Route};
use super::{DialId, Engine, Key};
use crate::error::Fail;
use crate::layer::Info;

impl Engine {
    /// Starts on a route: `id` waits while its rivals run.
    pub(super) fn take_route(&mut self, id: DialId, picked: Picked) {
        let Some(rivals) = picked.rivals else {
            self.dials[id].route = picked.route;
            self.dials[id].places.clear();
            return self.enter_in_time(id);
        };
        let dial = &mut self.dials[id];
        dial.route = Route::default();
        dial.stage = RACING;
        dial.stage_until = None;
        let (service, target, until) = (dial.service, dial.target.clone(), dial.until);
        // The nodes' own limits come first, so that they are told from each other.
        dial.until = until + Duration::from_millis(50);
        self.dial_timer(id);
        let mut racers = Vec::new();
        for route in routes(self, &picked.route, &rivals) {
            let purpose = Purpose::Race(id, rivals.at);
            let racer = Dial::new(purpose, service, target.clone(), until);
            racers.push(self.dials.insert(Dial { route, ..racer }));
        }
        self.dials[id].racers = racers.clone();
        for racer in racers {
            // One of the others may have been there at once.
            if self.dials.contains_key(racer) {
                self.enter(racer);
            }
        }
    }

    /// The node is ready: its dial becomes the one that waits for it.
    pub(super) fn race_won(&mut self, winner: DialId, id: DialId, info: Info) {
        let Some(mut racer) = self.dials.remove(winner) else {
            return;
        };
        self.timers.arm(Key::Dial(winner), &mut racer.armed, None);
        self.hub.forget(winner);
        self.drop_racers(id, Some(winner));
        let (Some(dial), Some(link)) = (self.dials.get_mut(id), racer.link) else {
            return;
        };
        self.links[link].top = Top::Dial(id);
        dial.link = Some(link);
        dial.route = racer.route;
        dial.places = racer.places;
        dial.at = racer.at;
        dial.rx = racer.rx;
        dial.mux = racer.mux;
        dial.lost = racer.lost;
        dial.took = racer.took;
        self.dial_up(id, info);
    }

    /// A node failed. The last one decides.
    pub(super) fn race_lost(&mut self, loser: DialId, id: DialId, racer: Dial, fail: Fail) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        dial.failed.extend(racer.failed);
        dial.racers.retain(|one| *one != loser);
        if dial.racers.is_empty() {
            self.dial_failed(id, fail);
        }
    }

    /// Gives up all that run for `id` but one.
    pub(super) fn drop_racers(&mut self, id: DialId, but: Option<DialId>) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        for racer in std::mem::take(&mut dial.racers) {
            if Some(racer) != but {
                self.cancel_dial(racer);
            }
        }
    }
}

/// The same way through each of the rivals.
fn routes(engine: &Engine, route: &Route, rivals: &Rivals) -> Vec<Route> {
    let (hop, _) = route.picks[rivals.at];
    let nodes = &engine.plan.chains[route.chain].hops[hop].nodes;
    let through = |node: &usize| {
        let mut route = route.clone();
        route.nodes[rivals.at] = nodes[*node].clone();
        route.picks[rivals.at] = (hop, *node);
        route
    };
    rivals.nodes.iter().map(through).collect()
}
