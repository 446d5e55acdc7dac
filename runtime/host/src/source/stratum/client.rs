//! The loop between a session, its connection and the host.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use adit_plugin::Target;
use crossbeam_channel::{Receiver, RecvTimeoutError, select};

use super::{
    connection::{Connection, Incoming},
    endpoint::Endpoint,
    options::StratumOptions,
    session::{Output, Reconnect, Session},
};
use crate::backoff::Backoff;
use crate::source::{SourceCommand, SourceEvent, SourceEvents};

/// How often the session is told the time when nothing else happens.
const TICK: Duration = Duration::from_millis(100);
/// How long the pool may take to judge what was sent before the end.
const LAST_VERDICTS: Duration = Duration::from_millis(500);
/// A connection that lasted this many first ceilings was a success.
const LASTED: u32 = 10;

/// A source at work.
pub struct Client {
    options: Arc<StratumOptions>,
    endpoint: Endpoint,
    /// The configured port, or the one that the pool named for the next attempt.
    port: u16,
    session: Session,
    backoff: Backoff,
    begun: Instant,
    events: SourceEvents,
    commands: Receiver<SourceCommand>,
}

/// How a connection ended.
enum End {
    Retry(Reconnect),
    Stop,
    Fatal(String),
}

impl End {
    fn lost(reason: String) -> Self {
        Self::Retry(Reconnect { reason, wait: Duration::ZERO, port: None })
    }
}

impl Client {
    pub fn new(
        options: StratumOptions,
        endpoint: Endpoint,
        one: Target,
        events: SourceEvents,
        commands: Receiver<SourceCommand>,
    ) -> Self {
        let options = Arc::new(options);
        Self {
            port: endpoint.port,
            session: Session::new(options.clone(), one, endpoint.clone()),
            backoff: Backoff::new(options.timeouts.backoff_first, options.timeouts.backoff_most),
            begun: Instant::now(),
            options,
            endpoint,
            events,
            commands,
        }
    }

    /// Connects again and again until told to stop, or until that is of no use.
    pub fn run(mut self) -> Result<(), String> {
        loop {
            match self.connection() {
                End::Stop => return Ok(()),
                End::Fatal(why) => return Err(why),
                End::Retry(Reconnect { reason, wait, port }) => {
                    // A port that the pool named is good for one attempt.
                    self.port = port.unwrap_or(self.endpoint.port);
                    let retry_in = self.backoff.wait().max(wait);
                    self.events.send(SourceEvent::Disconnected { reason, retry_in });
                    if self.rest(retry_in) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One connection from its first attempt to its end.
    fn connection(&mut self) -> End {
        let endpoint = Endpoint { port: self.port, ..self.endpoint.clone() };
        let mut connection = match Connection::open(endpoint, &self.options.timeouts) {
            Ok(connection) => connection,
            Err(error) => return End::lost(format!("cannot connect: {error}")),
        };
        let begun = Instant::now();
        let end = self.serve(&mut connection);
        if self.session.is_authorized() && begun.elapsed() >= self.options.timeouts.backoff_first * LASTED {
            self.backoff.reset();
        }
        let farewell = self.session.close(self.now());
        self.perform(farewell, &mut connection);
        end
    }

    fn serve(&mut self, connection: &mut Connection) -> End {
        loop {
            let commands = self.commands.clone();
            let outputs = select! {
                recv(commands) -> command => match command {
                    Ok(SourceCommand::Submit(share)) => self.session.submit(self.now(), &share),
                    Ok(SourceCommand::Exhausted(key)) => self.session.exhausted(self.now(), key),
                    Ok(SourceCommand::Stop) | Err(_) => {
                        self.hear_last_verdicts(connection);
                        return End::Stop;
                    }
                },
                recv(connection.incoming()) -> incoming => match incoming {
                    Ok(Incoming::Up(stream, address)) => {
                        connection.attach(stream);
                        self.session.open(self.now(), format!("{} ({address})", self.endpoint))
                    }
                    Ok(Incoming::Line(line)) => self.session.line(self.now(), &line),
                    Ok(Incoming::Down(reason)) => return End::lost(reason),
                    Err(_) => return End::lost("the reading thread died".into()),
                },
                default(TICK) => Vec::new(),
            };
            let end = self.perform(outputs, connection);
            let ticked = self.session.tick(self.now());
            if let Some(end) = end.or_else(|| self.perform(ticked, connection)) {
                return end;
            }
        }
    }

    /// Shares that are on their way are worth a moment.
    fn hear_last_verdicts(&mut self, connection: &mut Connection) {
        let deadline = Instant::now() + LAST_VERDICTS;
        // A message that is there is taken whatever the time: a pool that never stops talking must not keep this from stopping.
        while self.session.awaits_verdicts() && Instant::now() < deadline {
            let Ok(Incoming::Line(line)) = connection.incoming().recv_deadline(deadline) else { return };
            let outputs = self.session.line(self.now(), &line);
            if self.perform(outputs, connection).is_some() {
                return;
            }
        }
    }

    /// Does what the session wants; events reach the host even when the connection fails meanwhile.
    fn perform(&mut self, outputs: Vec<Output>, connection: &mut Connection) -> Option<End> {
        let mut end = None;
        for output in outputs {
            match output {
                Output::Event(event) => self.events.send(event),
                Output::Send(line) if end.is_none() => {
                    end =
                        connection.send(&line).err().map(|error| End::lost(format!("cannot send: {error}")));
                }
                Output::Send(_) => {}
                Output::Reconnect(reconnect) => end = end.or(Some(End::Retry(reconnect))),
                Output::End(why) => end = Some(End::Fatal(why)),
            }
        }
        end
    }

    /// Waits for the next attempt; true when told to stop.
    fn rest(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.commands.recv_deadline(deadline) {
                Ok(SourceCommand::Submit(share)) => {
                    for output in self.session.submit(self.now(), &share) {
                        if let Output::Event(event) = output {
                            self.events.send(event);
                        }
                    }
                }
                Ok(SourceCommand::Exhausted(_)) => {}
                Ok(SourceCommand::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}
