//! The demo's commands; variants stand in the order of `examples/simple/commands.py`.

use ipc_server::IpcServerCommand;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug)]
pub enum ClientCommand {
    Print { payload: String },
    Add { a: u64, b: u64 },
    Push { x: u64 },
}

#[derive(Serialize, Deserialize, Debug)]
pub enum ClientResponse {
    PrintAck,
    Sum { c: u64 },
    Pushed { x: u64 },
}

impl IpcServerCommand for ClientCommand {
    type Response = ClientResponse;
    type Context<'a> = &'a mut Vec<u64>;

    fn process<'a, 'b>(self, context: &'b mut Self::Context<'a>) -> ClientResponse {
        match self {
            Self::Print { payload } => {
                println!("Print command received: {payload}");
                ClientResponse::PrintAck
            }
            Self::Add { a, b } => {
                // Wrapping, so that debug and release builds answer alike and no client can panic us.
                let c = a.wrapping_add(b);
                println!("Add command received: {a} + {b} = {c}");
                ClientResponse::Sum { c }
            }
            Self::Push { x } => {
                println!("Push command received: {x}");
                context.push(x);
                ClientResponse::Pushed { x }
            }
        }
    }
}
