//! The floors: plain sockets of the standard library.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use super::{LIMIT, Outcome, expected};

const SIZE: usize = 64;
const CHUNK: usize = 64 << 10;

fn accept(address: &mpsc::Sender<String>) -> Outcome<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    address.send(listener.local_addr()?.to_string())?;
    prepared(listener.accept()?.0)
}

fn prepared(stream: TcpStream) -> Outcome<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

pub(super) fn send_stream(address: &str, messages: u64) -> Outcome<()> {
    let mut stream = prepared(TcpStream::connect(address)?)?;
    let (mut chunk, mut number) = (Vec::with_capacity(CHUNK), 0_u64);
    while number < messages {
        chunk.clear();
        while chunk.len() < CHUNK && number < messages {
            (0..SIZE / 8).for_each(|_| chunk.extend(number.to_le_bytes()));
            number += 1;
        }
        stream.write_all(&chunk)?;
    }
    Ok(())
}

pub(super) fn receive_stream(address: &mpsc::Sender<String>, messages: u64) -> Outcome<f64> {
    let mut stream = accept(address)?;
    let (mut chunk, mut have, mut begin) = (vec![0; CHUNK], 0, None);
    let (mut next, mut sum) = (0_u64, 0_u64);
    while next < messages {
        let len = stream.read(&mut chunk[have..])?;
        if len == 0 {
            return Err("the stream ended early".into());
        }
        begin.get_or_insert_with(Instant::now);
        have += len;
        let whole = have / SIZE * SIZE;
        for message in chunk[..whole].as_chunks::<SIZE>().0 {
            let words = message.as_chunks().0;
            if words.first().is_none_or(|first| u64::from_le_bytes(*first) != next) {
                return Err("messages are out of order".into());
            }
            sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
            next += 1;
        }
        chunk.copy_within(whole..have, 0);
        have -= whole;
    }
    if sum != expected(messages, SIZE as u64 / 8) {
        return Err("messages are not what was sent".into());
    }
    Ok(messages as f64 / begin.ok_or("nothing came")?.elapsed().as_secs_f64())
}

pub(super) fn answer(address: &mpsc::Sender<String>, trips: u64) -> Outcome<()> {
    let mut stream = accept(address)?;
    let mut message = [0; SIZE];
    for _ in 0..trips + trips / 10 {
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
    }
    Ok(())
}

pub(super) fn ask(address: &str, trips: u64) -> Outcome<f64> {
    let mut stream = prepared(TcpStream::connect(address)?)?;
    let (mut message, mut answer) = ([0_u8; SIZE], [0; SIZE]);
    let mut once = |number: u64| -> Outcome<()> {
        message[..8].copy_from_slice(&number.to_le_bytes());
        stream.write_all(&message)?;
        stream.read_exact(&mut answer)?;
        if answer == message { Ok(()) } else { Err("the answer is another".into()) }
    };
    (0..trips / 10).try_for_each(&mut once)?;
    let begin = Instant::now();
    (0..trips).try_for_each(&mut once)?;
    Ok(begin.elapsed().as_secs_f64() / trips as f64)
}
