//! PURE. What must not be taken out of a cluster, and what a repair must not take for nothing to do.

use crate::cluster::sample::{Sample, noon};

use crate::plan::{Facts, Intent, Plan, Refusal, plan};

fn wanted(sample: &Sample, intent: &Intent) -> Result<Plan, Refusal> {
    plan(intent, &Facts::of(&sample.model), noon())
}

#[test]
fn the_replica_of_a_master_that_is_gone_is_not_taken_out() {
    let mut sample = Sample::new(3, 1);
    let replica = sample.address(3).to_string();
    let remove = Intent::Remove { node: replica.clone() };
    let replicate = Intent::Replicate { node: replica, master: sample.address(1).to_string() };
    let agreed = wanted(&sample, &remove).unwrap();
    assert!(crate::plan::drift(&agreed, &sample.model, noon()).is_ok());
    assert!(wanted(&sample, &replicate).is_ok());
    // At once: nobody in the cluster has noticed yet.
    sample.kill(0);
    sample.poll();
    for intent in [remove, replicate] {
        let why = wanted(&sample, &intent).unwrap_err().to_string();
        assert!(why.contains("may be on no other node"), "{why}");
    }
    assert!(crate::plan::drift(&agreed, &sample.model, noon()).is_err(), "agreed to while the master was there");
}

#[test]
fn one_of_two_replicas_may_go_while_the_other_works() {
    let mut sample = Sample::new(3, 2);
    sample.kill(0);
    sample.poll();
    let remove = Intent::Remove { node: sample.address(3).to_string() };
    assert!(wanted(&sample, &remove).is_ok());
    sample.kill(6);
    sample.poll();
    assert!(wanted(&sample, &remove).is_err());
}

#[test]
fn slots_need_no_repair_only_when_every_master_says_so() {
    let mut sample = Sample::new(3, 1);
    let fix = Intent::Fix { slots: None, roll_back: false };
    let nothing = wanted(&sample, &fix).unwrap_err();
    assert!(nothing.fulfilled, "{nothing}");
    sample.kill(1);
    sample.poll();
    let unheard = wanted(&sample, &fix).unwrap_err();
    assert!(!unheard.fulfilled && unheard.to_string().contains(&sample.address(1).to_string()), "{unheard}");
}
