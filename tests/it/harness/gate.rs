//! A way through to a server that can be shut: for those behind it the server is gone, or hangs, while
//! everybody else goes on using it.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

/// How often a connection that hangs looks whether it may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A way that leads to one server.
pub(crate) struct Gate {
    /// What those behind the gate connect to.
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Open,
    /// Connections break, and new ones too.
    Shut,
    /// Connections stand, and nothing comes through.
    Hanging,
    /// The gate has been taken down.
    Down,
}

struct Shared {
    way: Way,
    to: SocketAddr,
    connections: Vec<TcpStream>,
}

impl Gate {
    /// A way to this server.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Shared { way: Way::Open, to: server, connections: vec![] };
        let shared = Arc::new(Mutex::new(shared));
        let held = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Not in the line of the match: the lock would be held through all of it.
                let way = way(&held);
                match way {
                    Way::Down => return,
                    // Dropped, which breaks it.
                    Way::Shut => {}
                    Way::Open | Way::Hanging => pass_on(stream, &held),
                }
            }
        });
        Self { address, shared }
    }

    /// Breaks all connections; whoever comes is turned away.
    pub(crate) fn shut(&self) {
        self.set(Way::Shut);
        for stream in read(&self.shared).connections.drain(..) {
            // One that is closed already is what we want.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing through, and tells nobody.
    pub(crate) fn hang(&self) {
        self.set(Way::Hanging);
    }

    /// Lets everything through again.
    pub(crate) fn open(&self) {
        self.set(Way::Open);
    }

    fn set(&self, way: Way) {
        read(&self.shared).way = way;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut();
        self.set(Way::Down);
        // The listener looks when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn read(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("no thread panics here")
}

fn way(shared: &Mutex<Shared>) -> Way {
    read(shared).way
}

fn pass_on(stream: TcpStream, shared: &Arc<Mutex<Shared>>) {
    let to = read(shared).to;
    let Ok(server) = TcpStream::connect(to) else { return };
    let both = (stream.try_clone(), server.try_clone());
    let (Ok(stream_too), Ok(server_too)) = both else { return };
    let kept = [stream.try_clone(), server.try_clone()].into_iter().flatten();
    read(shared).connections.extend(kept);
    for (from, to) in [(stream, server_too), (server, stream_too)] {
        let shared = Arc::clone(shared);
        thread::spawn(move || copy(from, to, &shared));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Mutex<Shared>) {
    let mut bytes = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        while way(shared) == Way::Hanging {
            thread::sleep(LOOK_AGAIN);
        }
        let open = way(shared) == Way::Open;
        if !open || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
