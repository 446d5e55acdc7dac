//! ipc-channel between processes: its channel of bytes.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use ipc_channel::{
    TryRecvError,
    ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender},
};

use crate::{
    order::{Order, Regime},
    payload::Payload,
    queue::{Broken, Named, Rx, Tx},
};

/// How long a sender waits for the name of its receiver.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes, sent and received whole.
#[derive(Debug)]
pub struct IpcChannel;

/// The sending end.
pub struct IpcTx {
    sender: IpcBytesSender,
    buffer: Vec<u8>,
}

/// The receiving end: waits for its sender at first.
pub struct IpcRx {
    server: Option<IpcOneShotServer<IpcBytesReceiver>>,
    receiver: Option<IpcBytesReceiver>,
    /// Asks again and again instead of blocking: there is one message in flight, and others do.
    asks: bool,
}

fn name_file(order: &Order, name: &str) -> PathBuf {
    order.directory.join(format!("{name}.ipc"))
}

fn said(error: impl std::fmt::Debug) -> String {
    format!("ipc-channel: {error:?}")
}

impl Named for IpcChannel {
    type Tx<P: Payload> = IpcTx;
    type Rx<P: Payload> = IpcRx;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<IpcTx, String> {
        let (file, begin) = (name_file(order, name), Instant::now());
        let server = loop {
            match fs::read_to_string(&file) {
                Ok(server) => break server,
                Err(error) if begin.elapsed() > PATIENCE => return Err(said(error)),
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        let (sender, receiver) = ipc::bytes_channel().map_err(said)?;
        let bootstrap: IpcSender<IpcBytesReceiver> = IpcSender::connect(server).map_err(said)?;
        bootstrap.send(receiver).map_err(said)?;
        Ok(IpcTx { sender, buffer: vec![0; P::WORDS * 8] })
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<IpcRx, String> {
        let (server, server_name) = IpcOneShotServer::new().map_err(said)?;
        // Nobody reads half of it.
        let file = name_file(order, name);
        let draft = file.with_extension("draft");
        fs::write(&draft, server_name).and_then(|()| fs::rename(&draft, &file)).map_err(said)?;
        Ok(IpcRx { server: Some(server), receiver: None, asks: order.regime == Regime::Spinning })
    }
}

impl<P: Payload> Tx<P> for IpcTx {
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        for (at, word) in self.buffer.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = number.wrapping_add(at as u64).to_ne_bytes();
        }
        self.sender.send(&self.buffer).map(|()| true).map_err(|_| Broken("ipc-channel sends nothing"))
    }
}

impl<P: Payload> Rx<P> for IpcRx {
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        if let Some(server) = self.server.take() {
            let (_, receiver) = server.accept().map_err(|_| Broken("ipc-channel: nobody connected"))?;
            self.receiver = Some(receiver);
        }
        let receiver = self.receiver.as_ref().ok_or(Broken("ipc-channel has no receiver"))?;
        // To ask without blocking takes it two system calls more.
        let received =
            if self.asks { receiver.try_recv() } else { receiver.recv().map_err(TryRecvError::IpcError) };
        match received {
            Ok(bytes) => {
                let words = bytes.as_chunks::<8>().0;
                let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
                each(words.first().map_or(u64::MAX, |word| u64::from_ne_bytes(*word)), sum);
                Ok(1)
            }
            Err(TryRecvError::Empty) => Ok(0),
            Err(_) => Err(Broken("ipc-channel receives nothing")),
        }
    }
}
