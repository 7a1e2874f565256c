//! Runs that are killed anywhere: what was done stands, and the next run completes it.

use proptest::prelude::*;
use slotwright_cluster::Epoch;

use super::{Task, assert_reached, assert_well_formed, config, plan, tasks};
use crate::{Action, model::Model};

/// Choices of a test case; when they run out, the first of everything.
struct Dice(std::vec::IntoIter<u16>);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % below.max(1)
    }

    /// Another order of the members.
    fn shuffle(&mut self, model: &mut Model) {
        for last in (1..model.servers.len()).rev() {
            model.servers.swap(last, self.roll(last + 1));
        }
    }
}

fn assert_epochs_are_distinct(model: &Model) {
    let given = model.servers.iter().map(|server| server.epoch).filter(|epoch| *epoch > Epoch::ZERO);
    let mut epochs: Vec<Epoch> = given.collect();
    let count = epochs.len();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), count, "an epoch was given twice");
}

/// Plans until nothing is left to do; the number of plans it took.
fn finish(task: &Task, model: &mut Model) -> usize {
    for round in 0..5 {
        let next = plan(&model.view(), &task.wish).unwrap();
        assert_well_formed(&next);
        if next.is_empty() {
            return round;
        }
        model.apply_all(&next);
    }
    panic!("it does not converge: {}", plan(&model.view(), &task.wish).unwrap());
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn killed_at_any_step_and_run_again_it_ends_in_the_same_state(
        task in tasks(),
        kills in 1..5_usize,
        reorder in any::<bool>(),
        dice in proptest::collection::vec(any::<u16>(), 0..400),
    ) {
        let mut dice = Dice(dice.into_iter());
        let mut model = task.model();
        for _ in 0..kills {
            let next = plan(&model.view(), &task.wish).unwrap();
            assert_well_formed(&next);
            let steps = dice.roll(next.steps().len() + 1);
            model.apply_some(&next, steps, |ready| dice.roll(ready));
            assert_epochs_are_distinct(&model);
            match dice.roll(3) {
                0 => {}
                spread => model.settle(spread == 1),
            }
            if reorder {
                dice.shuffle(&mut model);
            }
        }
        let rounds = finish(&task, &mut model);
        prop_assert!(rounds <= 2, "{} more plans", rounds);
        // Members in another order have other sites at other places, but the best score is the same.
        let task = Task { sites: model.servers.iter().map(|server| server.member.site.clone()).collect(), ..task };
        assert_reached(&task, &model);
    }

    #[test]
    fn keys_written_between_two_runs_stay_where_they_are(
        task in tasks(),
        done in 0.0..1.0_f64,
        dice in proptest::collection::vec(any::<u16>(), 0..100),
    ) {
        let mut dice = Dice(dice.into_iter());
        let mut model = task.model();
        let first = plan(&model.view(), &task.wish).unwrap();
        model.apply_some(&first, (first.steps().len() as f64 * done) as usize, |ready| dice.roll(ready));
        model.settle(true);
        // Only a cluster that serves takes keys.
        if model.servers.iter().any(|server| server.ok) {
            model.fill();
            // Keys make waiting dangerous to cut short: nothing is shortened any more.
            let next = plan(&model.view(), &task.wish).unwrap();
            let shortens = |action: &Action| matches!(action, Action::SetSetting { to, .. } if to == "500" || to == "0");
            prop_assert!(!next.steps().iter().any(|step| shortens(&step.action)), "{}", next);
        }
        let keys = model.servers.iter().filter(|server| !server.slots.is_empty());
        let keys: usize = keys.map(|server| server.keys.len()).sum();
        finish(&task, &mut model);
        assert_reached(&task, &model);
        let kept = model.servers.iter().filter(|server| !server.slots.is_empty());
        prop_assert_eq!(kept.map(|server| server.keys.len()).sum::<usize>(), keys);
    }

    #[test]
    fn nodes_that_met_by_hand_become_a_cluster(
        task in tasks(),
        dice in proptest::collection::vec(any::<u16>(), 0..200),
    ) {
        // Met without epochs and slots, as CLUSTER MEET by hand does; the run is killed once more.
        let mut dice = Dice(dice.into_iter());
        let mut model = task.model();
        let first = plan(&model.view(), &task.wish).unwrap();
        let meet = |action: &Action| matches!(action, Action::Meet { .. });
        for step in first.steps().iter().filter(|step| meet(&step.action)) {
            model.apply(&step.action);
        }
        model.settle(true);
        let next = plan(&model.view(), &task.wish).unwrap();
        let steps = dice.roll(next.steps().len() + 1);
        model.apply_some(&next, steps, |ready| dice.roll(ready));
        finish(&task, &mut model);
        assert_reached(&task, &model);
    }
}
