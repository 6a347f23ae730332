/*
 * What WSK calls for handlers that do nothing, as a careful driver in C writes them: to be compared with
 * callback_cost.rs, by `cargo xtask test callback-cost`.
 *
 * A socket that was created without a context has a null one. A callback with null pointers reports that its socket is no
 * longer functional: the client remembers that, since from then on only a close is legal.
 */
#include <ntddk.h>
#include <wsk.h>

struct socket {
    BOOLEAN is_dead;
};

NTSTATUS nothing_receive_from(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION Indication)
{
    (void)Flags;
    if (Context == NULL) {
        return STATUS_DATA_NOT_ACCEPTED;
    }
    if (Indication == NULL) {
        ((struct socket *)Context)->is_dead = TRUE;
        return STATUS_SUCCESS;
    }
    return STATUS_SUCCESS;
}

NTSTATUS nothing_receive(PVOID Context, ULONG Flags, PWSK_DATA_INDICATION Indication, SIZE_T Indicated,
                         SIZE_T *Accepted)
{
    (void)Flags;
    (void)Indicated;
    (void)Accepted;
    if (Context == NULL) {
        return STATUS_DATA_NOT_ACCEPTED;
    }
    if (Indication == NULL) {
        ((struct socket *)Context)->is_dead = TRUE;
        return STATUS_SUCCESS;
    }
    return STATUS_SUCCESS;
}

NTSTATUS nothing_disconnect(PVOID Context, ULONG Flags)
{
    (void)Context;
    (void)Flags;
    return STATUS_SUCCESS;
}

NTSTATUS nothing_send_backlog(PVOID Context, SIZE_T Ideal)
{
    (void)Context;
    (void)Ideal;
    return STATUS_SUCCESS;
}

NTSTATUS nothing_abort(PVOID Context, PWSK_INSPECT_ID Id)
{
    (void)Context;
    (void)Id;
    return STATUS_SUCCESS;
}

WSK_INSPECT_ACTION nothing_inspect(PVOID Context, PSOCKADDR Local, PSOCKADDR Remote, PWSK_INSPECT_ID Id)
{
    (void)Local;
    (void)Remote;
    if (Context == NULL) {
        return WskInspectReject;
    }
    if (Id == NULL) {
        ((struct socket *)Context)->is_dead = TRUE;
        return WskInspectReject;
    }
    return WskInspectAccept;
}
