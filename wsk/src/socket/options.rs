//! Options and ioctls by their constants.
//!
//! # Safety
//!
//! Options are constants with the types of their values; which sockets have them is checked by their types.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{WskGetOption, WskIoctl, WskSetOption};

use super::Socket;
use super::control::ControlTarget;
use super::state::State;
use crate::buffer::{BufResult, ContiguousIoBuf};
use crate::category::Category;
use crate::options::{
    AppliesTo, AskedOf, BufferIoctl, Ioctl, MAX_SIZE_WRITE_ONLY, OptionValue, Readable,
    SocketOption, Writable,
};
use crate::status::{Result, known};

/// The bytes of a value. They fit: definitions of options must ensure that.
fn encode<T: OptionValue>(value: &T::Value) -> Result<[u8; MAX_SIZE_WRITE_ONLY]> {
    let mut bytes = [0; MAX_SIZE_WRITE_ONLY];
    T::encode(value, &mut bytes[..T::SIZE])?;
    Ok(bytes)
}

impl<C: Category, S: State, H> Socket<C, S, H> {
    /// Sets an option.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_control_socket).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the option has no such value.
    /// - `STATUS_NOT_SUPPORTED` or a similar status if the socket's transport does not have the option, or the running
    ///   Windows does not.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine implements no options.
    pub async fn set<T: OptionValue, A: AppliesTo<C, S>, M: Writable>(
        &self,
        option: SocketOption<T, A, M>,
        value: T::Value,
    ) -> Result<()> {
        self.handle.outside_routines().await;
        let request = {
            let bytes = encode::<T>(&value)?;
            let control =
                ControlTarget { kind: WskSetOption, code: option.name(), level: option.level() };
            // SAFETY: the option takes an IRP and this value, which is plain data, and is valid for this socket in its
            // state (the contract of `SocketOption::new`; INV-34, INV-35).
            unsafe { self.handle.control(control, &bytes[..T::SIZE], 0, |_| ()) }
        };
        request.await
    }

    /// Returns the value of an option.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_control_socket).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if the system returns bytes that are not a value of this type.
    /// - As for [`set`](Self::set).
    pub async fn get<T: OptionValue, A: AskedOf<C, S>, M: Readable>(
        &self,
        option: SocketOption<T, A, M>,
    ) -> Result<T::Value> {
        self.handle.outside_routines().await;
        let control =
            ControlTarget { kind: WskGetOption, code: option.name(), level: option.level() };
        // SAFETY: the option takes an IRP, returns plain data, and is valid for this socket in its state (the contract of
        // `SocketOption::new`).
        let request = unsafe { self.handle.control(control, &[], T::SIZE, T::decode) };
        request.await?.ok_or(known::STATUS_INVALID_BUFFER_SIZE)
    }

    /// Makes a request with a control code.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_control_socket).
    ///
    /// ```
    /// use wsk::options;
    /// use wsk::socket::{BasicSocket, Family};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
    /// let is_scaling = socket.ioctl(options::RSS_SCALABILITY, ()).await?;
    /// # let _ = is_scaling;
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may have taken effect.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the code requires `PASSIVE_LEVEL`, and the future is polled at another level.
    /// - `STATUS_INVALID_BUFFER_SIZE` if the system returns bytes that are not a value of the output's type.
    /// - As for [`set`](Self::set).
    pub async fn ioctl<In: OptionValue, Out: OptionValue, A: AppliesTo<C, S>>(
        &self,
        ioctl: Ioctl<In, Out, A>,
        value: In::Value,
    ) -> Result<Out::Value> {
        self.handle.outside_routines().await;
        let code = ioctl.parts();
        code.require_level()?;
        let request = {
            let bytes = encode::<In>(&value)?;
            let control = ControlTarget { kind: WskIoctl, code: code.number, level: 0 };
            let input = &bytes[..In::SIZE];
            // SAFETY: the code takes an IRP and this value at this level, takes and returns plain data, and is valid for
            // this socket in its state (the contract of `Ioctl::new`).
            unsafe { self.handle.control(control, input, Out::SIZE, Out::decode) }
        };
        request.await?.ok_or(known::STATUS_INVALID_BUFFER_SIZE)
    }

    /// Issues a control code with buffers for its input and its output; [`Buffer::empty`](crate::Buffer::empty) means
    /// none. Returns the number of output bytes, and both buffers.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_control_socket).
    ///
    /// ```
    /// use wsk::socket::{Bound, Connection, ConnectionSocket, Socket};
    /// use wsk::{BufResult, Buffer, ErrorKind, Result, options};
    ///
    /// /// Copies the records of a redirected connection to the proxy's own connection.
    /// async fn hand_on(redirected: &ConnectionSocket, own: &Socket<Connection, Bound>) -> Result<()> {
    ///     let (nothing, room) = (Buffer::empty(), Buffer::new(4096)?);
    ///     let result = redirected.ioctl_with_buffers(options::REDIRECT_RECORDS, nothing, room).await;
    ///     let (size, (nothing, records)) = result.into_result()?;
    ///     let records = records.slice(..size)?;
    ///     let result = own.ioctl_with_buffers(options::SET_REDIRECT_RECORDS, records, nothing).await;
    ///     result.into_result().map(|_| ())
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may have taken effect, and drops
    /// the buffers.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the code requires `PASSIVE_LEVEL`, and the future is polled at another level.
    /// - `STATUS_BUFFER_TOO_SMALL`, or another status of the code, if the output buffer is too small.
    /// - As for [`set`](Self::set).
    pub async fn ioctl_with_buffers<A: AppliesTo<C, S>, I: ContiguousIoBuf, O: ContiguousIoBuf>(
        &self,
        ioctl: BufferIoctl<A>,
        input: I,
        output: O,
    ) -> BufResult<usize, (I, O)> {
        self.handle.outside_routines().await;
        let code = ioctl.parts();
        if let Err(error) = code.require_level() {
            return BufResult(Err(error), (input, output));
        }
        let (input, input_start, input_end) = input.into_parts();
        let (output, output_start, output_end) = output.into_parts();
        // SAFETY: the code takes an IRP and any bytes at this level, and is valid for this socket in its state (the
        // contract of `BufferIoctl::new`).
        let request = unsafe {
            self.handle.control_with_buffers(
                code.number,
                (input, input_start, input_end),
                (output, output_start, output_end),
            )
        };
        let (result, input, output) = request.await;
        // SAFETY: the memory and its range are from this `I`, or the memory is empty.
        let input = unsafe { I::from_parts(input, input_start, input_end) };
        // SAFETY: the memory and its range are from this `O`, or the memory is empty.
        let output = unsafe { O::from_parts(output, output_start, output_end) };
        BufResult(result, (input, output))
    }
}
