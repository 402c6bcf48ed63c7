//! The Rust side of lazyipc's interoperability tests: the `ipc-server` crate behind a command line.

mod demo;
mod vectors;

use demo::ClientCommand;
use ipc_server::{client_send, IpcServer};
use std::io::{self, Write};
use std::num::ParseIntError;
use std::process::ExitCode;
use std::sync::mpsc::{channel, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// A server whose tests were killed must not stay for ever.
const LIFETIME: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

const USAGE: &str = "usage:
    peer server SOCKET
    peer client SOCKET print TEXT | add A B | push X
    peer flood SOCKET N
    peer vectors";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    match words {
        ["server", path] => serve(path).map_err(|error| format!("{path}: {error}")),
        ["client", path, command @ ..] => {
            client_send(&parse_command(command)?, path);
            Ok(())
        }
        ["flood", path, count] => flood(path, number(count)?),
        ["vectors"] => {
            vectors::print();
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn parse_command(words: &[&str]) -> Result<ClientCommand, String> {
    match words {
        ["print", text] => Ok(ClientCommand::Print { payload: (*text).to_owned() }),
        ["add", a, b] => Ok(ClientCommand::Add { a: number(a)?, b: number(b)? }),
        ["push", x] => Ok(ClientCommand::Push { x: number(x)? }),
        _ => Err(USAGE.to_owned()),
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|error: ParseIntError| format!("{word:?}: {error}"))
}

/// Polls the crate's server until stdin reaches its end, or the lifetime is over.
fn serve(path: &str) -> io::Result<()> {
    let mut server = IpcServer::<ClientCommand>::new(path)?;
    let mut values = Vec::new();
    println!("ready");
    io::stdout().flush()?;
    let end = Instant::now() + LIFETIME;
    let stdin_open = watch_stdin();
    while Instant::now() < end && stdin_open.try_recv() == Err(TryRecvError::Empty) {
        // A client's bad bytes come out here as an error; they end that client, not this server.
        server.handle_new_messages(&mut values).ok();
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Returns a channel that is disconnected once stdin has reached its end.
fn watch_stdin() -> Receiver<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        drop(sender);
    });
    receiver
}

/// Sends `count` additions from as many threads; `client_send` panics where it cannot write.
fn flood(path: &str, count: u64) -> Result<(), String> {
    let failures = thread::scope(|scope| {
        let clients: Vec<_> = (0..count)
            .map(|i| scope.spawn(move || client_send(&ClientCommand::Add { a: i, b: i }, path)))
            .collect();
        clients.into_iter().filter_map(|client| client.join().err()).count()
    });
    match failures {
        0 => Ok(()),
        _ => Err(format!("{failures} of {count} clients could not send")),
    }
}
