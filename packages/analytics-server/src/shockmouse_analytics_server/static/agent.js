(()=>{"use strict"
const W=document.currentScript||document.querySelector("script[data-key]")
const ak=window.shockmouse
if(!W||ak?.version)return
const al=ak?.q||[]
const am="0.1.0"
const p=W.dataset
const o=a=>p.autotrack?.split(/\s+/).includes(a)??a!=="hash"
const an=navigator.globalPrivacyControl||navigator.doNotTrack==="1"
const X=an?"strict":p.privacy||"balanced"
const Y=+p.sampleRate
const Z=Y>0&&Y<1?Y:1
const H=new URL(p.events||"v1/events",new URL(p.endpoint?.replace(/\/?$/,"/")||W.src,location))
H.searchParams.set("key",p.key)
const _=60_000
const $=60_000
const aT=256_000
const ao=()=>{}
const k=b=>(...c)=>{try{const a=b(...c)
a?.catch?.(ao)
return a}catch{}}
const l=(a,I,b)=>I.split(" ").forEach(c=>a.addEventListener(c,k(b),true))
const w=(a,b)=>(""+a).slice(0,b).replace(/[\ud800-\udbff]$/,"")
let ap=0
const B=()=>{const a=(ap=Math.max(ap+1,Date.now())).toString(16).padStart(12,"0")
const b=[...crypto.getRandomValues(new Uint8Array(18))]
const c=()=>(b.pop()&15).toString(16)
return a.slice(0,8)+"-"+a.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,c)}
const J="shockmouse."
const K=k((a,b=localStorage)=>b.getItem(J+a))
const C=k((a,b,c=localStorage)=>c.setItem(J+a,b))
const aq=k((a,b=localStorage)=>b.removeItem(J+a))
const I=L=>Object.keys(localStorage).filter(a=>a.startsWith(J+L))
let D=p.consent==="given"&&"yes"
const aa=()=>(an&&p.gpc==="drop"?"no":K("consent")||D)
const ar=()=>K("device")||(C("device",B()),K("device"))
const x=()=>(aa()==="yes"&&X!=="strict"&&ar()?X:"strict")
let r
const aU=a=>{r=k(JSON.parse)(K("session",sessionStorage))||r
if(!r||a-r.last>30*_||a-r.started>1440*_)
r={id:B(),started:a}
r.last=a
C("session",JSON.stringify(r),sessionStorage)
return r}
const M=a=>new TextEncoder().encode(a)
const ab=b=>{let a=0x811c9dc5
for(const c of M(b))a=Math.imul(a^c,0x01000193)
a=Math.imul(a^(a>>>16),0x85ebca6b)
a=Math.imul(a^(a>>>13),0xc2b2ae35)
return(a^(a>>>16))>>>0}
const{userAgentData:as,language:at}=navigator
const N=a=>(x()==="full"?a:Math.round(a/100)*100)
let O
const aV=b=>{const a={platform:as?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,viewport:N(innerWidth)+"x"+N(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches,}
if(b!=="strict")
Object.assign(a,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth})
if(b==="full"){Object.assign(a,{languages:navigator.languages.join()},O)
if(!O){O={}
as?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(c=>{delete c.brands
O=c
ac=0},ao)}}
const d=p.key+JSON.stringify(a)
return{hash:ab(d).toString(16)+ab(d+1).toString(16),signals:a}}
const aW=()=>{const a=navigator.webdriver||undefined
if(x()==="strict")return{webdriver:a,locale:at.split("-")[0]}
const{timeZone:b}=Intl.DateTimeFormat().resolvedOptions()
return{webdriver:a,locale:at,timezone:b,screen:{width:N(screen.width),height:N(screen.height)}}}
const aX=B()
let aY=0
let s=[]
let ad,au,m,ac
const n=(g,c,h,i)=>{if(aa()==="no")return
const d=Date.now()
const b=x()
const a=b!=="strict"&&aU(d)
const e=a?ar():undefined
if(a&&Z<1&&ab(e)>=Z*2**32)return
const f={event_id:B(),type:g,name:c&&w(c,255),timestamp:new Date(d),properties:h,user_id:au,device_id:e,session_id:a.id,session_started_at:a?new Date(a.started):undefined,privacy:b,sample_rate:Z,boot_id:aX,seq:aY++,context:{page:m},...i,}
if(ac!==b)f.fingerprint=aV((ac=b))
s.push(JSON.stringify(f))
ad??=setTimeout(k(ae),1000)}
const E=new Map()
const av=f=>{ad=clearTimeout(ad)
if(!s.length)return
const b=B()
const c=JSON.stringify({batch_id:b,library:{name:"shockmouse-agent",version:am},context:aW()})
let a=1
for(let d=M(c+s[0]).length;a<s.length;a++){d+=M(s[a]).length+1
if(d>f)break}
const e=s.splice(0,a)
return[b,c.slice(0,-1)+',"events":['+e+"]}",e]}
const aw=a=>'{"sent_at":"'+new Date().toJSON()+'",'+a.slice(1)
const ax=a=>{E.delete(a)
aq("batch."+a)}
const ay=()=>{if(x()!=="strict")for(const a of I("batch."))E.set(a.slice(17),localStorage[a])
return[...E].sort()}
const af=k((a,b)=>{E.set(a,b)
if(x()!=="strict")C("batch."+a,b)
let c=0
for(const[a,b]of ay().reverse()){if((c+=b.length)>aT)ax(a)}})
let P=0
let az
const aA=async(c,a)=>{let b,d
try{const e=await fetch(H,{method:"POST",body:aw(a),keepalive:M(a).length<=$,signal:AbortSignal.timeout?.(30_000)})
b=e.status
d=e.headers.get("retry-after")*1000}catch{}
if(b&&!/40[1348]|429|5../.test(b)){P=0
ax(c)
return true}
af(c,a)
clearTimeout(az)
az=setTimeout(Q,Math.min((d||0)+Math.random()*500*2**++P,5*_))}
const aB=async()=>{for(const[a,b]of ay())if(aa()==="no"||!(await aA(a,b)))return}
const Q=k(()=>(navigator.locks?navigator.locks.request("shockmouse",aB):aB()))
const ae=async()=>{for(let a;(a=av($));)P?af(...a):await aA(...a)}
const aZ=a=>{const b=k(()=>window.fetchLater(H,{method:"POST",body:a,activateAfter:0}))()
return b||k(()=>navigator.sendBeacon(H,a))()}
const aC=()=>{const a=navigator.onLine&&(!P||x()==="strict")
for(let b=$;s.length;){const[d,c,e]=av(b)
if(a&&aZ(aw(c)))continue
if(a&&(b/=2)>500)s=e.concat(s)
else af(d,c)}}
const aD=c=>{const{origin:d,pathname:a,search:e}=location
const b=o("hash")?location.hash:""
const f=b?a.replace(/\/$/,"")+b.replace(/^#\/?/,"/"):a
return{url:d+a+e+b,path:f,title:document.title,referrer:m&&!c?m.url:document.referrer}}
const ag=a=>{const b=aD(a)
if(m&&!a&&m.path===b.path)return
if(m)aE()
for(const c of t.keys())if(!c.isConnected)ah(c,"abandon")
m=b
R=0
aF()
if(o("pages"))n("page",m.title)}
const aG=()=>setTimeout(k(ag))
const aH=a=>{const b=history[a]
history[a]=function(...c){const d=b.apply(this,c)
aG()
return d}}
let R=0
let S=0
let y=0
const aF=()=>{const a=Math.round(((scrollY+innerHeight)/document.documentElement.scrollHeight)*100)
R=Math.min(Math.max(R,a),100)}
const F=()=>{const a=performance.now()
if(y)S+=a-y
y=document.visibilityState==="visible"&&document.hasFocus()?a:0}
const aE=()=>{F()
if(S<100)return
if(o("scroll"))
n("performance","engagement",{scroll_percent:R,engaged_ms:Math.round(S)})
S=0}
const a_="a,button,summary,[role=button],[role=link],[role=tab],[role^=menuitem],[data-shockmouse-name],select,input"
const a$=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
const aI=a=>a.composedPath().filter(b=>b.nodeType===1)
const aJ=a=>a.some(b=>b.hasAttribute("data-shockmouse-ignore"))
const ba=a=>{const b={tag:a.localName}
for(const{name:c,value:e}of a.attributes){const d={id:"id",class:"classes","aria-label":"label"}[c]||(c.startsWith("data-shockmouse-")&&c.slice(16))
if(d)b[d]=w(e,200)}
if(a.matches("a,button,summary,[role=button],[role=link]")&&!a.isContentEditable)
b.text=w(a.textContent.replace(/\s+/g," ").trim(),80)
return b}
let ai=[]
const bb=f=>{const c=aI(f)
if(!c[0]||aJ(c))return
const g=c.find(d=>d.matches(a_))
const b=c.find(d=>d.matches("a[href]"))
const a=ba(g||c[0])
if(/^https?:$/.test(b?.protocol)){a.href=b.origin+b.pathname
if(o("outbound")&&b.host!==location.host)a.outbound=true
if(o("downloads")&&(b.hasAttribute("download")||a$.test(b.pathname)))a.download=true}
const{timeStamp:h,clientX:i,clientY:j,detail:bg}=f
ai=ai.filter(e=>h-e.at<1000&&Math.hypot(i-e.x,j-e.y)<=30)
if(bg&&ai.push({at:h,x:i,y:j})===3)a.rage=true
if(o("clicks")?g||a.rage:a.outbound||a.download)
n("click",a.name||a.label||a.text||a.id||a.tag,a)}
const t=new Map()
const bc=/pass|^hidden|card|cc-|cvc|cvv|iban|ssn|secret|token|pin$/i
const bd=e=>{const c=aI(e)
const{form:a,name:f,id:g,type:h,autocomplete:i}=c[0]
if(!a||aJ(c))return
if(!t.has(a))t.set(a,{since:performance.now(),fields:[]})
const{fields:d}=t.get(a)
const b=w(f||g,80)
const j=h+i+b
if(b&&!bc.test(j)&&!d.includes(b))d.push(b)}
const ah=(a,d)=>{const{since:y=0,fields:e=[]}=t.get(a)||{}
t.delete(a)
if(a.closest("[data-shockmouse-ignore]"))return
const b=a.getAttribute("name")||a.getAttribute("id")||undefined
const c=new URL(a.getAttribute("action")||"",location).pathname
n("form",b||c,{form:b,action:c,fields:e,outcome:d,duration_ms:y&&Math.round(performance.now()-y)})}
const aK=[]
const z=k((a,d,e)=>{if(!PerformanceObserver.supportedEntryTypes.includes(a))return
const b=k(f=>f.forEach(d))
const c=new PerformanceObserver(g=>b(g.getEntries()))
c.observe({type:a,buffered:true,...e})
aK.push(()=>b(c.takeRecords()))})
const aL=()=>performance.getEntriesByType("navigation")[0]
let u,T,G,aM,v,A,aj,U,V,aN
const aO=a=>{const b=(u={TTFB:a?0:undefined,CLS:0})
G=a
T=a||aL()?.activationStart||0
aM=a||document.hidden
v={sum:0}
A=new Map()
aj=performance.interactionCount||0
U=V=0
aN=m
if(a)
requestAnimationFrame(()=>requestAnimationFrame(()=>(b.FCP=b.LCP=performance.now()-T)))}
const aP=a=>({startTime:b})=>{if(!aM)u[a]=Math.max(b-T,0)}
const be=()=>{aO(0)
z("paint",e=>e.name==="first-contentful-paint"&&aP("FCP")(e))
z("largest-contentful-paint",aP("LCP"))
z("layout-shift",({startTime:a,value:g,hadRecentInput:h})=>{if(h||a<G)return
if(!(v.sum&&a-v.last<1000&&a-v.first<5000))
v={sum:0,first:a}
v.last=a
u.CLS=Math.max(u.CLS,(v.sum+=g))})
const f=({interactionId:c,startTime:a,duration:d})=>{if(!c||a<G)return
A.set(c,Math.max(A.get(c)||0,d))
const b=[...A].sort((i,j)=>j[1]-i[1])
if(b.length>10)A.delete(b.pop()[0])
const bg="interactionCount"in performance?performance.interactionCount-aj:A.size
u.INP=b[Math.min(b.length-1,Math.floor(bg/50))][1]}
z("event",f,{durationThreshold:40})
z("first-input",f)
z("longtask",({duration:d})=>{U++
V=Math.max(V,d)})}
const bf=()=>{aK.forEach(d=>d())
const a=u
if(!a)return
u=undefined
if(!G)a.TTFB=Math.max(aL()?.responseStart-T,0)
if(!a.FCP)delete a.CLS
if(G&&performance.interactionCount>aj)a.INP??=8
const c={context:{page:aN}}
for(const b in a)if(a[b]>=0)n("performance",b,{value:+a[b].toFixed(4)},c)
if(U)n("performance","longtask",{count:U,duration_ms:Math.round(V)},c)}
const aQ={track:(a,b)=>n("track",a,b),page:(a,b)=>{m=aD()
n("page",a||m.title,b)},identify:(c,b)=>{au=c?w(c,256):undefined
n("identify",undefined,undefined,{user_properties:b})},optIn:()=>{ae()
D="yes"
if(X!=="strict")C("consent",D)
n("consent","given",{analytics:true})},optOut:()=>{n("consent","withdrawn",{analytics:false})
aC()
D="no"
E.clear()
k(()=>I("").forEach(a=>localStorage.removeItem(a)))()
C("consent",D)
aq("session",sessionStorage)},flush:()=>ae().then(Q),}
const aR=(window.shockmouse={version:am})
for(const a in aQ)
aR[a]=k((...b)=>(m?aQ[a](...b):al.push([a,...b])))
const L=()=>{ag()
for(const[h,...i]of al)aR[h]?.(...i)
F()
aH("pushState")
aH("replaceState")
l(window,"popstate hashchange",aG)
l(window,"focus blur",F)
l(window,"scroll",aF)
l(window,"online",Q)
l(document,"click",bb)
const b=()=>{bf()
aE()
aC()}
l(document,"visibilitychange",()=>{F()
if(document.hidden)b()})
l(window,"pagehide",()=>{for(const j of t.keys())ah(j,"abandon")
b()})
l(window,"pageshow",({persisted:bg,timeStamp:bh})=>{if(!bg)return
ag(true)
F()
if(o("vitals"))aO(bh)})
if(o("vitals"))be()
if(o("forms")){l(document,"input change",bd)
l(document,"submit",({target:bi})=>ah(bi,"submit"))}
if(o("errors")){const c=new Set()
const d=(a,e,f,bj)=>{const{size:g}=c
if(g<20&&c.add(a+e+f).size>g)
n("error",a,{message:w(a,500),file:e,line:f,column:bj})}
l(window,"error",({message:a,filename:bk,lineno:bl,colno:bm})=>a&&d(a,bk?.split("?")[0],bl,bm))
l(window,"unhandledrejection",({reason:bn})=>d(bn?.message||"unhandled rejection"))}
Q()}
const aS=()=>document.readyState==="loading"?l(document,"DOMContentLoaded",L):k(L)()
document.prerendering?l(document,"prerenderingchange",aS):aS()})()
