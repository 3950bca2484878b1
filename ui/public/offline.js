/* Comes back to what was asked for as soon as Flowkeep answers, ready or not: the page says itself when it starts. */
const isThere = async () => {
  try {
    const answer = await fetch("/api/health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return (await answer.json()).is_live === true;
  } catch {
    return false;
  }
};

const again = async () => {
  if (await isThere()) window.location.reload();
  else setTimeout(again, 3000);
};
setTimeout(again, 3000);
window.addEventListener("online", () => window.location.reload());
document.getElementById("again").addEventListener("click", () => window.location.reload());
