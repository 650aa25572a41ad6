/* libstrophe with a client certificate: logs in with nothing else, and sends itself a message, which it prints. */

#include <stdio.h>
#include <stdlib.h>

#include <strophe.h>

static int is_done;

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata) {
  char *body = xmpp_message_get_body(stanza);
  (void)userdata;
  if (!body)
    return 1;
  printf("{\"jid\":\"%s\",\"secured\":%s,\"heard\":\"%s\"}\n", xmpp_conn_get_bound_jid(conn),
         xmpp_conn_is_secured(conn) ? "true" : "false", body);
  xmpp_free(xmpp_conn_get_context(conn), body);
  is_done = 1;
  xmpp_disconnect(conn);
  return 1;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                          void *userdata) {
  xmpp_ctx_t *ctx = xmpp_conn_get_context(conn);
  xmpp_stanza_t *stanza;
  (void)error;
  (void)stream_error;
  (void)userdata;
  if (event != XMPP_CONN_CONNECT) {
    xmpp_stop(ctx);
    return;
  }
  xmpp_handler_add(conn, on_message, NULL, "message", NULL, NULL);
  stanza = xmpp_presence_new(ctx);
  xmpp_send(conn, stanza);
  xmpp_stanza_release(stanza);
  stanza = xmpp_message_new(ctx, "chat", xmpp_conn_get_bound_jid(conn), "m1");
  xmpp_message_set_body(stanza, "by certificate");
  xmpp_send(conn, stanza);
  xmpp_stanza_release(stanza);
}

/* libstrophe HOST PORT JID CAFILE CERT KEY */
int main(int argc, char **argv) {
  xmpp_ctx_t *ctx;
  xmpp_conn_t *conn;
  if (argc != 7)
    return 2;
  xmpp_initialize();
  ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_WARN));
  conn = xmpp_conn_new(ctx);
  xmpp_conn_set_flags(conn, XMPP_CONN_FLAG_MANDATORY_TLS);
  xmpp_conn_set_jid(conn, argv[3]);
  xmpp_conn_set_cafile(conn, argv[4]);
  xmpp_conn_set_client_cert(conn, argv[5], argv[6]);
  if (xmpp_connect_client(conn, argv[1], (unsigned short)atoi(argv[2]), on_connection, NULL) == XMPP_EOK)
    xmpp_run(ctx);
  xmpp_conn_release(conn);
  xmpp_ctx_free(ctx);
  xmpp_shutdown();
  return is_done ? 0 : 1;
}
