//! Sources that do not end as they should.

#[path = "simulation/toy.rs"]
#[allow(dead_code, reason = "the simulator uses all of it")]
mod toy;

use std::{ops::ControlFlow, sync::Arc, thread, time::Duration};

use adit_host::{
    device::DevicePlan,
    host::{Host, HostConfig, HostError},
    source::{Source, SourceCommand, SourceEvent, SourceEvents},
};
use adit_plugin::Algorithm;
use crossbeam_channel::Receiver;

/// Does what it was made for.
struct Odd(fn(&SourceEvents, &Receiver<SourceCommand>));

impl Source for Odd {
    fn name(&self) -> String {
        "odd".into()
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        (self.0)(&events, &commands);
    }
}

fn run(source: fn(&SourceEvents, &Receiver<SourceCommand>)) -> Result<(), HostError> {
    let algorithm: Arc<dyn Algorithm> = Arc::new(toy::WIDE);
    let plans = DevicePlan::from_specs(&["cpu:threads=1".parse().unwrap()], &[algorithm]).unwrap();
    let host = Host::new(HostConfig::default(), plans).unwrap();
    let stop = host.stop_handle();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        stop.stop();
    });
    host.run(Box::new(Odd(source)), &mut |_| ControlFlow::Continue(())).map(drop)
}

fn failure(result: Result<(), HostError>) -> String {
    match result {
        Err(HostError::Source(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_that_panics_is_an_error() {
    let why = failure(run(|_, _| panic!("no more jobs")));
    assert_eq!(why, "the source panicked: no more jobs");
}

/// What went wrong is not forgotten because somebody asked for the end meanwhile.
#[test]
fn what_a_source_says_at_its_end_counts() {
    let why = failure(run(|events, commands| {
        while !matches!(commands.recv(), Ok(SourceCommand::Stop) | Err(_)) {}
        events.send(SourceEvent::Ended(Err("two shares were wrong".into())));
    }));
    assert_eq!(why, "two shares were wrong");
    run(|events, commands| {
        while !matches!(commands.recv(), Ok(SourceCommand::Stop) | Err(_)) {}
        events.send(SourceEvent::Ended(Ok(())));
    })
    .unwrap();
}
