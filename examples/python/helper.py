#!/usr/bin/env python3
"""An Adit helper without the SDK: the whole device side of docs/spec/session.md in plain Python.

An Adit host starts this program with two memory files. It maps both, says hello, takes work units from the
ring in the host's memory, hashes them, and answers through the ring in its own memory. Read it from the
end: `main`, then `work_on` and `search`, then what they call.

How Python gets along with memory that another process reads and writes at the same time:

* `region.u64[i]` is a memoryview of format 'Q': reading and writing an element is one aligned 8-byte load or
  store of the processor, so a cursor or a sequence is never seen half-written. `struct.pack_into('<Q', ...)`
  goes byte by byte and must not be used for them.
* Python has no acquire, no release and no fence. On x86-64 none is needed for the first two: the processor
  keeps loads in order, and stores in order. On other processors this program refuses to run.
* The one full fence of the protocol is membarrier's, executed by whoever wants to sleep.
"""

import ctypes
import errno
import hashlib
import os
import select
import signal
import struct
import sys
import time

EXIT_STOPPED, EXIT_HOST_GONE, EXIT_ENVIRONMENT, EXIT_REFUSED = 0, 1, 2, 3

# The bytes, from runtime/abi (the same are in runtime/abi/include/adit.h).
HOST_MAGIC = int.from_bytes(b"ADITHOST", "little")
DEVICE_MAGIC = int.from_bytes(b"ADITDEV\0", "little")
LAYOUT_VERSION, FIXED_SIZE, FLAG_FENCED = 1, 512, 1
RUN, PAUSE, STOP = 1, 2, 3
READY, VERSION_MISMATCH, BAD_REGION = 0, 1, 2
WORK, SOLUTION, DONE, HELLO = 1, 2, 3, 6
COMPLETE, STALE, STOPPED, UNKNOWN_ALGORITHM, INVALID = 0, 1, 2, 3, 4
TEMPERATURE_UNKNOWN, POWER_UNKNOWN = 0x8000_0000, 0xFFFF_FFFF
HOST_HEADER = struct.Struct("<QIIQQQQIIIIIIIII")  # magic ... flags
DEVICE_HEADER = struct.Struct("<IIQQIIQ16s48s80sI60x")  # all but the magic: version ... reserved
JOB = struct.Struct("<QQIIII32s512s")  # sequence ... header
JOB_SIZE, SLOT_SIZE = 640, 64
# Where single words are, as indices: into u32 for the state, into u64 for everything else.
CONTROL_STATE, CONTROL_GENERATION = 256 // 4, 264 // 8
SOLUTION_HEAD, SOLUTION_WAITING = 320 // 8, 328 // 8  # in the host region
WORK_HEAD, WORK_WAITING = 256 // 8, 264 // 8  # in the device region, like all that follow
HEARTBEAT, GENERATION, HASHES, UNITS, SENSORS = 320 // 8, 328 // 8, 336 // 8, 344 // 8, 360 // 8

SUB_BATCH = 0.005  # seconds of hashing between two looks at the host
FAREWELL = 1.0  # seconds for the last messages, of the 2 that are allowed

# Three system calls that the standard library does not have; the numbers are x86-64's.
SYS_FUTEX, FUTEX_WAIT, FUTEX_WAKE = 202, 0, 1
SYS_MEMBARRIER, GLOBAL_EXPEDITED, REGISTER_GLOBAL_EXPEDITED = 324, 2, 4
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] * 7
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mmap.restype = ctypes.c_void_p
PROT_READ, PROT_WRITE, MAP_SHARED = 1, 2, 1


def syscall(number, *arguments):
    """0 or more, or the negative error number."""
    result = libc.syscall(number, *arguments, *[0] * (6 - len(arguments)))
    return result if result >= 0 else -ctypes.get_errno()


class Region:
    """A mapped memory file. spec: SES-1.4"""

    def __init__(self, variable, writable):
        try:
            descriptor = int(os.environ[variable])
            self.size = os.fstat(descriptor).st_size
        except (KeyError, ValueError, OverflowError, OSError):
            fail(EXIT_ENVIRONMENT, f"{variable} does not name a file; an Adit host starts this program")
        # Not the module mmap: it does not tell the address of a read-only mapping, and futexes want that.
        protection = PROT_READ | (PROT_WRITE if writable else 0)
        self.address = libc.mmap(None, self.size, protection, MAP_SHARED, descriptor, 0)
        if self.size < FIXED_SIZE or self.address == ctypes.c_void_p(-1).value:
            fail(EXIT_ENVIRONMENT, f"{variable} does not name a region that can be mapped")
        memory = memoryview((ctypes.c_ubyte * self.size).from_address(self.address)).cast("B")
        self.bytes = memory if writable else memory.toreadonly()
        whole = self.bytes[: self.size & ~7]
        self.u32, self.u64 = whole.cast("I"), whole.cast("Q")


class Device:
    """Our end of a session."""

    def __init__(self, host, own):
        self.host, self.own = host, own
        self.work_head = 0  # position of the next message that we read
        self.solution_tail = 0  # position of the next message that we write
        self.solution_head = 0  # how far the host has read, when we last looked
        self.heartbeat = self.hashes = self.units = 0
        self.stopped_at = None
        self.sub_batch = 16  # nonces; the size fits this machine soon, and is kept
        self.life_line = select.poll()
        self.life_line.register(0, select.POLLIN)
        # Registered, the host's membarrier is our fence too; otherwise each message costs a system call,
        # which is one. spec: SES-3.4
        self.fenced = syscall(SYS_MEMBARRIER, REGISTER_GLOBAL_EXPEDITED) < 0
        self.read_header()

    # ---- Hello

    def read_header(self):
        """What we do not know (features, flags, reserved bytes) is not looked at. spec: SES-1.1, SES-1.2"""
        header = HOST_HEADER.unpack_from(self.host.bytes)
        (magic, version, _, self.session_id, _, _, _, board, self.board_slots, work, self.work_slots,
         solutions, self.solution_slots, heartbeat_ms, _, _) = header
        if magic != HOST_MAGIC:
            fail(EXIT_ENVIRONMENT, "ADIT_HOST_FD is no Adit host region")
        if version != LAYOUT_VERSION:
            self.write_header(VERSION_MISMATCH)
            fail(EXIT_REFUSED, f"the host speaks version {version} of the layout, this is version 1")

        def fits(offset, slots, slot_size, least, most, region):
            power_of_two = slots & (slots - 1) == 0
            inside = FIXED_SIZE <= offset and offset + slots * slot_size <= region.size
            return least <= slots <= most and power_of_two and inside and offset % 64 == 0

        if not (fits(board, self.board_slots, JOB_SIZE, 1, 1024, self.host)
                and fits(work, self.work_slots, SLOT_SIZE, 2, 65536, self.host)
                and fits(solutions, self.solution_slots, SLOT_SIZE, 2, 65536, self.own)):
            self.write_header(BAD_REGION)
            fail(EXIT_REFUSED, "the host's header does not fit its regions")
        self.board, self.work, self.solutions = board, work, solutions
        # Twice per heartbeat, and often enough for the life line.
        self.longest_sleep = min(max(heartbeat_ms, 2), 1000) / 2000

    def write_header(self, state):
        """The magic goes last, and means that the rest is there. spec: SES-1.3"""
        self.own.bytes[8:256] = DEVICE_HEADER.pack(
            LAYOUT_VERSION, 256, self.session_id, 0, os.getpid(), state, 0,  # 0: units of any size
            b"Python", b"examples/python", b"one CPU thread", FLAG_FENCED if self.fenced else 0)
        self.own.u64[SENSORS] = TEMPERATURE_UNKNOWN | POWER_UNKNOWN << 32  # spec: SES-6.2
        self.own.u64[0] = DEVICE_MAGIC

    # ---- Between sub-batches and while waiting

    def look(self):
        """Says that we live, and returns what the host wants of us. spec: SES-1.5, SES-2.1, SES-6.1"""
        self.heartbeat += 1
        self.own.u64[HEARTBEAT] = self.heartbeat
        # The host holds the other end of our standard input, and writes nothing to it.
        if self.life_line.poll(0) and not os.read(0, 64):
            sys.exit(EXIT_HOST_GONE)
        state = self.host.u32[CONTROL_STATE]
        if state in (RUN, PAUSE):
            return state
        # A host that does not read our last messages cannot keep us.
        self.stopped_at = self.stopped_at or time.monotonic()
        if time.monotonic() - self.stopped_at > FAREWELL:
            sys.exit(EXIT_STOPPED)
        return STOP

    def live_generation(self):
        return self.host.u64[CONTROL_GENERATION]

    # ---- The solution ring: we write, the host reads

    def send(self, layout, *fields):
        """Sends one message of 56 bytes; waits while the ring is full. spec: SES-3.2, SES-5.2"""
        while True:
            head = self.host.u64[SOLUTION_HEAD]
            if self.solution_head <= head <= self.solution_tail:  # else it is nonsense
                self.solution_head = head
            if self.solution_tail - self.solution_head < self.solution_slots:
                break
            self.look()
            time.sleep(0.001)
        # Payload first, then sequence: a message that is not whole does not exist. spec: SES-3.1
        slot = self.solutions + (self.solution_tail & (self.solution_slots - 1)) * SLOT_SIZE
        self.own.bytes[slot : slot + 56] = struct.pack(layout, *fields).ljust(56, b"\0")
        self.solution_tail += 1
        self.own.u64[slot // 8 + 7] = self.solution_tail
        # Either we see that the host sleeps on this slot, or it sees the slot before it sleeps. spec: SES-3.4
        if self.fenced or self.host.u64[SOLUTION_WAITING] == self.solution_tail:
            syscall(SYS_FUTEX, self.own.address + slot + 56, FUTEX_WAKE, 0x7FFF_FFFF)

    # ---- The work ring: the host writes, we read

    def receive(self):
        """The next message's seven words, or None. spec: SES-3.1, SES-3.2"""
        first = (self.work + (self.work_head & (self.work_slots - 1)) * SLOT_SIZE) // 8
        if self.host.u64[first + 7] != self.work_head + 1:
            return None
        message = self.host.u64[first : first + 7].tolist()
        self.work_head += 1
        self.own.u64[WORK_HEAD] = self.work_head
        return message

    def wait_for_message(self):
        """Sleeps until there is a message, or for half a heartbeat. spec: SES-3.3"""
        last = self.work + (self.work_head & (self.work_slots - 1)) * SLOT_SIZE + 56
        self.own.u64[WORK_WAITING] = self.work_head + 1
        slept = syscall(SYS_MEMBARRIER, GLOBAL_EXPEDITED)
        if slept == 0:
            sequence = self.host.u64[last // 8]
            if sequence != self.work_head + 1:
                timeout = (ctypes.c_long * 2)(0, int(self.longest_sleep * 1e9))
                slept = syscall(SYS_FUTEX, self.host.address + last, FUTEX_WAIT, sequence & 0xFFFF_FFFF,
                                ctypes.addressof(timeout))
        if slept not in (0, -errno.EAGAIN, -errno.EINTR, -errno.ETIMEDOUT):
            time.sleep(0.001)  # a sandbox without these calls: look again soon
        self.own.u64[WORK_WAITING] = 0

    # ---- Units

    def work_on(self, unit):
        """Each unit is ended by exactly one UnitDone, whatever happens to it. spec: SES-5.3"""
        begin, hashes = time.monotonic_ns(), 0
        status, job = self.read_job(unit)
        if status == COMPLETE:
            self.own.u64[GENERATION] = unit[1]
            status, hashes = self.search(unit, *job)
            self.own.u64[GENERATION] = 0
        self.send("<IIQQQ", DONE, status, unit[2], hashes, time.monotonic_ns() - begin)
        self.units += 1
        self.own.u64[UNITS] = self.units

    def read_job(self, unit):
        """COMPLETE and what to hash, or how the unit ends. spec: SES-4.1, SES-5.1, SES-5.4"""
        board_slot, (generation, _, start, count) = unit[0] >> 32, unit[1:5]
        end = start + count
        if board_slot >= self.board_slots or count == 0 or end > 1 << 64:
            return INVALID, None
        if generation < self.live_generation():
            return STALE, None
        at = self.board + board_slot * JOB_SIZE
        before = self.host.u64[at // 8]
        copy = bytes(self.host.bytes[at : at + JOB_SIZE])
        if before % 2 or self.host.u64[at // 8] != before:
            return STALE, None
        _, slot_generation, identity, length, offset, width, target, header = JOB.unpack_from(copy)
        if slot_generation != generation:
            return STALE, None
        if width == 4 and end > 1 << 32:
            return INVALID, None
        if identity not in ALGORITHMS:
            return UNKNOWN_ALGORITHM, None
        layout, scan = ALGORITHMS[identity]
        if layout != (length, offset, width):
            return INVALID, None
        return COMPLETE, (scan, header[:offset], target)

    def search(self, unit, scan, prefix, target):
        """Hashes the unit, sub-batch after sub-batch, and says how it ended and how far it got."""
        _, generation, unit_id, start, count = unit[:5]
        backwards = target[::-1]  # as bytes compare: the most significant first
        done = 0
        while done < count:
            state = self.look()
            if state == STOP:
                return STOPPED, done
            if generation < self.live_generation():
                return STALE, done  # spec: SES-2.2
            if state == PAUSE:  # we keep our place
                time.sleep(0.001)
                continue
            begin, size = time.monotonic(), min(self.sub_batch, count - done)
            hits = scan(prefix, range(start + done, start + done + size), backwards)
            took = time.monotonic() - begin
            for nonce, digest in hits:
                self.send("<IIQQ32s", SOLUTION, 0, unit_id, nonce, digest)
            done += size
            self.hashes += size
            self.own.u64[HASHES] = self.hashes
            if took > 2 * SUB_BATCH and self.sub_batch > 1:
                self.sub_batch //= 2
            elif took < SUB_BATCH / 2 and size == self.sub_batch:
                self.sub_batch *= 2
        return COMPLETE, done


# The two inner loops. All before the nonce is hashed once (the midstate) and copied for each nonce. A digest
# is a hit when it is not above the target, both as little-endian integers, so its last byte says nearly
# always that it is none. spec: SES-4.2


def scan_sha256d(prefix, nonces, backwards):
    sha256, midstate, pack = hashlib.sha256, hashlib.sha256(prefix).copy, struct.Struct("<I").pack
    hits, most = [], backwards[0]
    for nonce in nonces:
        state = midstate()
        state.update(pack(nonce))
        digest = sha256(state.digest()).digest()
        if digest[31] <= most and digest[::-1] <= backwards:
            hits.append((nonce, digest))
    return hits


def scan_blake2s(prefix, nonces, backwards):
    midstate, pack = hashlib.blake2s(prefix).copy, struct.Struct("<Q").pack
    hits, most = [], backwards[0]
    for nonce in nonces:
        state = midstate()
        state.update(pack(nonce))
        digest = state.digest()
        if digest[31] <= most and digest[::-1] <= backwards:
            hits.append((nonce, digest))
    return hits


# Number (four letters, the first in the lowest byte), length of the header, offset and width of the nonce.
ALGORITHMS = {
    int.from_bytes(b"SHAD", "little"): ((80, 76, 4), scan_sha256d),  # Bitcoin
    int.from_bytes(b"BL2K", "little"): ((286, 278, 8), scan_blake2s),  # Chainweb
}


def fail(status, why):
    print(f"helper: {why}", file=sys.stderr)
    sys.exit(status)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the host stops us properly
    if os.uname().machine != "x86_64":
        fail(EXIT_ENVIRONMENT, "Python has no memory fences, so this program needs an x86-64 processor")
    device = Device(Region("ADIT_HOST_FD", writable=False), Region("ADIT_DEVICE_FD", writable=True))
    device.write_header(READY)
    device.send("<I", HELLO)
    # Without a unit we send nothing, and with one everything is in work_on. spec: SES-5.5
    while True:
        state = device.look()
        message = None if state == PAUSE else device.receive()
        if message is None:
            if state == STOP:
                return EXIT_STOPPED
            if state == PAUSE:
                time.sleep(0.001)
            else:
                device.wait_for_message()
        elif message[0] & 0xFFFF_FFFF == WORK:  # others are skipped. spec: SES-5.4
            device.work_on(message)


if __name__ == "__main__":
    sys.exit(main())
