/** Asks for the password before a dangerous act. The dialog listens; the API client waits. */
type Request = { resolve: (isDone: boolean) => void };

let pending: Request | undefined;
let listener: (isOpen: boolean) => void = () => {};

export function requestReauthentication(): Promise<boolean> {
  pending?.resolve(false);
  return new Promise((resolve) => {
    pending = { resolve };
    listener(true);
  });
}

export function answerReauthentication(isDone: boolean) {
  pending?.resolve(isDone);
  pending = undefined;
  listener(false);
}

export function onReauthentication(callback: (isOpen: boolean) => void): () => void {
  listener = callback;
  return () => {
    listener = () => {};
  };
}
